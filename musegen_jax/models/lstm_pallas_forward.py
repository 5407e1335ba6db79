"""The forward loop of `lstm_pallas` as one kernel; see `lstm_pallas_block`.

Never run on a GPU yet.

Letters: T time step, B batch, N pieces in a slice, H LSTM units, U units of a
block. Names that end in _here are of arrays in shared memory, in _landed of the
barriers that tell when a copy into them is complete.
"""

import functools

import jax
import jax.numpy as jnp
from jax import lax
from jax.experimental import pallas as pl
from jax.experimental.pallas import mosaic_gpu as plgpu

from musegen_jax.models import lstm_cell
from musegen_jax.models import lstm_pallas_block as block
from musegen_jax.models.lstm_pallas_block import SLOPES, Team


def loop(
  team: Team,
  recurrent: jax.Array,
  gates_in: jax.Array,
  h: jax.Array,
  c: jax.Array,
  keep: jax.Array | None,
  *,
  save_slopes: bool,
) -> tuple[jax.Array, jax.Array, jax.Array | None]:
  """Runs one layer over all steps.

  Args:
    team: for these sizes.
    recurrent: [H, 4H] bfloat16.
    gates_in: [T, B, 4, H] bfloat16.
    h: [B, H] bfloat16, before the first step.
    c: [B, H] float32, likewise.
    keep: [T, B] bool, false where the state is emptied before a step.
    save_slopes: whether a gradient will be asked for.

  Returns:
    Outputs [T, B, H] bfloat16, the last c [B, H] float32, and what the backward
    loop wants [T, B, 6, H] bfloat16, or None.
  """
  steps, batch, _, hidden_size = gates_in.shape
  weights = block.by_block(recurrent, team).transpose(2, 1, 3, 0)
  operands = {
    "weights": weights.reshape(team.blocks, 4 * team.units, hidden_size),
    "gates_in": gates_in,
    "first_h": h,
    "first_c": c,
  }
  outputs = {
    "h": jax.ShapeDtypeStruct((steps, batch, hidden_size), jnp.bfloat16),
    "last_c": jax.ShapeDtypeStruct((batch, hidden_size), jnp.float32),
  }
  scratch = {
    "weights_here": block.shared(4 * team.units, hidden_size, swizzle=128),
    "h_here": block.shared(team.pieces, hidden_size, swizzle=128),
    "gates_here": block.shared(team.pieces, 4, team.units),
    "products_here": plgpu.SMEM((team.pieces, 4 * team.units), jnp.float32),
    "new_h_here": block.shared(team.pieces, team.units),
    "inputs_landed": plgpu.Barrier(num_arrivals=1 + (keep is not None)),
    "h_landed": plgpu.Barrier(),
  }
  if keep is not None:
    operands["keep"] = block.spread(keep, team)
    scratch["keep_here"] = block.shared(team.pieces, team.units)
  if save_slopes:
    shape = steps, batch, SLOPES, hidden_size
    outputs["slopes"] = jax.ShapeDtypeStruct(shape, jnp.bfloat16)
    scratch["slopes_here"] = block.shared(team.pieces, SLOPES, team.units)

  def forward(refs: dict) -> None:
    _run_block(team, steps, refs)

  results = block.launch(forward, team, operands, outputs, scratch)
  return results["h"], results["last_c"], results.get("slopes")


def _run_block(team: Team, steps: int, refs: dict) -> None:
  pieces, units = block.own(team)
  plgpu.copy_gmem_to_smem(
    refs["weights"].at[lax.axis_index("block")],
    refs["weights_here"],
    refs["h_landed"],
  )
  plgpu.barrier_wait(refs["h_landed"])
  first_h = refs["first_h"].at[pieces, :]
  plgpu.copy_gmem_to_smem(first_h, refs["h_here"], refs["h_landed"])
  _fetch_inputs(team, refs, 0)
  step = functools.partial(_step, team, steps, refs, block.counter(team))
  c = block.read(refs["first_c"].at[pieces, units])
  c = lax.fori_loop(0, steps, step, c)
  refs["last_c"].at[pieces, units][...] = c
  plgpu.wait_smem_to_gmem(0)


def _fetch_inputs(team: Team, refs: dict, t: int | jax.Array) -> None:
  pieces, units = block.own(team)
  gates = refs["gates_in"].at[t, pieces, :, units]
  landed = refs["inputs_landed"]
  plgpu.copy_gmem_to_smem(gates, refs["gates_here"], landed)
  if "keep" in refs:
    keep = refs["keep"].at[t, pieces, :]
    plgpu.copy_gmem_to_smem(keep, refs["keep_here"], landed)


def _step(
  team: Team,
  steps: int,
  refs: dict,
  count: pl.MemoryRef,
  t: jax.Array,
  c: jax.Array,
) -> jax.Array:
  pieces, units = block.own(team)
  plgpu.barrier_wait(refs["h_landed"])
  products = block.multiply(refs["weights_here"], refs["h_here"])
  block.write_turned(refs["products_here"], products)
  plgpu.barrier_wait(refs["inputs_landed"])
  keep = block.read_keep(refs)
  gates = []
  for gate in range(4):
    product = block.read(refs["products_here"].at[:, block.gate(team, gate)])
    if keep is not None:
      product = jnp.where(keep, product, 0.0)
    gate_in = block.read(refs["gates_here"].at[:, gate, :])
    gates.append(gate_in.astype(jnp.float32) + product)
  if keep is not None:
    c = jnp.where(keep, c, 0.0)
  h, new_c, cell = lstm_cell.advance_gates(*gates, c)
  # What left in the step before must be gone before it is overwritten.
  plgpu.wait_smem_to_gmem(0, wait_read_only=True)
  refs["new_h_here"][...] = h.astype(jnp.bfloat16)
  plgpu.commit_smem()
  new_h = refs["h"].at[t, pieces, units]
  plgpu.copy_smem_to_gmem(refs["new_h_here"], new_h)
  plgpu.wait_smem_to_gmem(0)
  block.arrive(count)
  # The slowest of the team is waited for: until then there is other work.
  if "slopes" in refs:
    by_gate, into_c = lstm_cell.gate_slopes(cell, c)
    f = cell.f if keep is None else jnp.where(keep, cell.f, 0.0)
    for number, slope in enumerate((*by_gate, f, into_c)):
      refs["slopes_here"].at[:, number, :][...] = slope.astype(jnp.bfloat16)
    plgpu.commit_smem()
    slopes = refs["slopes"].at[t, pieces, :, units]
    plgpu.copy_smem_to_gmem(refs["slopes_here"], slopes)

  @pl.when(t + 1 < steps)
  def _() -> None:
    _fetch_inputs(team, refs, t + 1)
    block.wait_for(count, (t + 1) * team.blocks)
    all_h = refs["h"].at[t, pieces, :]
    plgpu.copy_gmem_to_smem(all_h, refs["h_here"], refs["h_landed"])

  return new_c
