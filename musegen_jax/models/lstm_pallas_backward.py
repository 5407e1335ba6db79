"""The backward loop of `lstm_pallas` as one kernel; see `lstm_pallas_block`.

Never run on a GPU yet. Letters and names as in `lstm_pallas_forward`.
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

_ROWS = 128  # of one product, which bounds the registers its sums take


def loop(
  team: Team,
  recurrent: jax.Array,
  slopes: jax.Array,
  d_outputs: jax.Array,
  d_h: jax.Array,
  d_c: jax.Array,
  keep: jax.Array | None,
) -> tuple[jax.Array, jax.Array, jax.Array]:
  """Runs one layer from the last step to the first.

  Args:
    team: for these sizes.
    recurrent: [H, 4H] bfloat16.
    slopes: [T, B, 6, H] bfloat16, from the forward loop.
    d_outputs: [T, B, H] bfloat16.
    d_h: [B, H] float32, gradient of the last h beside that of its output.
    d_c: [B, H] float32, of the last c.
    keep: [T, B] bool, false where the state was emptied before a step.

  Returns:
    Gradients of gates_in [T, B, 4, H] bfloat16, and of h and c before the first
    step [B, H] float32.
  """
  steps, batch, _, hidden_size = slopes.shape
  weights = block.by_block(recurrent, team).transpose(2, 0, 1, 3)
  operands = {
    "weights": weights.reshape(team.blocks, hidden_size, 4 * team.units),
    "slopes": slopes,
    "d_outputs": d_outputs,
    "last_d_h": d_h,
    "last_d_c": d_c,
  }
  state = jax.ShapeDtypeStruct((batch, hidden_size), jnp.float32)
  d_gates = (steps, batch, 4, hidden_size)
  outputs = {
    "d_gates": jax.ShapeDtypeStruct(d_gates, jnp.bfloat16),
    "d_h": state,
    "d_c": state,
    # What the blocks send each other, twice: one may write this step's parts
    # while another still reads those of the step before.
    "parts": jax.ShapeDtypeStruct((2, team.blocks, *state.shape), jnp.float32),
  }
  parts = (team.blocks, team.pieces, team.units)
  scratch = {
    "weights_here": block.shared(hidden_size, 4 * team.units, swizzle=64),
    "slopes_here": block.shared(team.pieces, SLOPES, team.units),
    "d_output_here": block.shared(team.pieces, team.units),
    # Its tiles have 32 columns, so that a gate's U are whole ones.
    "d_gates_here": block.shared(team.pieces, 4 * team.units, swizzle=64),
    "sent_here": plgpu.SMEM((team.pieces, hidden_size), jnp.float32),
    "parts_here": plgpu.SMEM(parts, jnp.float32),
    "inputs_landed": plgpu.Barrier(num_arrivals=2 + (keep is not None)),
    "parts_landed": plgpu.Barrier(),
  }
  if keep is not None:
    operands["keep"] = block.spread(keep, team)
    scratch["keep_here"] = block.shared(team.pieces, team.units)

  def backward(refs: dict) -> None:
    _run_block(team, steps, refs)

  results = block.launch(backward, team, operands, outputs, scratch)
  return results["d_gates"], results["d_h"], results["d_c"]


def _run_block(team: Team, steps: int, refs: dict) -> None:
  here = block.own(team)
  plgpu.copy_gmem_to_smem(
    refs["weights"].at[lax.axis_index("block")],
    refs["weights_here"],
    refs["parts_landed"],
  )
  plgpu.barrier_wait(refs["parts_landed"])
  _fetch_inputs(team, refs, steps - 1)
  step = functools.partial(_step, team, steps, refs, block.counter(team))
  state = (
    block.read(refs["last_d_h"].at[here]),
    block.read(refs["last_d_c"].at[here]),
  )
  d_h, d_c = lax.fori_loop(0, steps, step, state)
  refs["d_h"].at[here][...] = d_h
  refs["d_c"].at[here][...] = d_c


def _fetch_inputs(team: Team, refs: dict, t: int | jax.Array) -> None:
  pieces, units = block.own(team)
  slopes = refs["slopes"].at[t, pieces, :, units]
  d_output = refs["d_outputs"].at[t, pieces, units]
  landed = refs["inputs_landed"]
  plgpu.copy_gmem_to_smem(slopes, refs["slopes_here"], landed)
  plgpu.copy_gmem_to_smem(d_output, refs["d_output_here"], landed)
  if "keep" in refs:
    keep = refs["keep"].at[t, pieces, :]
    plgpu.copy_gmem_to_smem(keep, refs["keep_here"], landed)


def _step(
  team: Team,
  steps: int,
  refs: dict,
  count: pl.MemoryRef,
  done: jax.Array,
  state: tuple[jax.Array, jax.Array],
) -> tuple[jax.Array, jax.Array]:
  t, (d_h, d_c) = steps - 1 - done, state
  plgpu.barrier_wait(refs["inputs_landed"])
  *by_gate, f, into_c = (
    block.read(refs["slopes_here"].at[:, number, :]).astype(jnp.float32)
    for number in range(SLOPES)
  )
  d_h += block.read(refs["d_output_here"]).astype(jnp.float32)
  d_c += d_h * into_c
  keep = block.read_keep(refs)
  _send_gates(team, refs, t, lstm_cell.scale_slopes(*by_gate, d_h, d_c))

  @pl.when(t > 0)
  def _() -> None:
    _fetch_inputs(team, refs, t - 1)

  d_h = _exchange(team, refs, count, done)
  if keep is not None:
    d_h = jnp.where(keep, d_h, 0.0)
  return d_h, d_c * f


def _send_gates(
  team: Team, refs: dict, t: jax.Array, d_gates: tuple[jax.Array, ...]
) -> None:
  """Leaves the own gates' gradients of a step in shared and global memory."""
  pieces, units = block.own(team)
  here = [
    refs["d_gates_here"].at[:, block.gate(team, gate)] for gate in range(4)
  ]
  for gate, d_gate in enumerate(d_gates):
    here[gate][...] = d_gate.astype(jnp.bfloat16)
  plgpu.commit_smem()
  for gate in range(4):
    there = refs["d_gates"].at[t, pieces, gate, units]
    plgpu.copy_smem_to_gmem(here[gate], there)


def _exchange(
  team: Team, refs: dict, count: pl.MemoryRef, done: jax.Array
) -> jax.Array:
  """Own gate gradients times own weights give a part for every unit; returns
  the sum over the team for the own units, [N, U]."""
  rows = min(_ROWS, team.hidden_size)
  for first in range(0, team.hidden_size, rows):
    tile = pl.ds(first, rows)
    weights = refs["weights_here"].at[tile, :]
    part = block.multiply(weights, refs["d_gates_here"])
    block.write_turned(refs["sent_here"].at[:, tile], part)
  plgpu.commit_smem()
  pieces, units = block.own(team)
  parts = refs["parts"].at[lax.rem(done, 2)]
  sent = parts.at[lax.axis_index("block"), pieces, :]
  plgpu.copy_smem_to_gmem(refs["sent_here"], sent)
  plgpu.wait_smem_to_gmem(0)
  block.arrive(count)
  block.wait_for(count, (done + 1) * team.blocks)
  received = parts.at[:, pieces, units]
  plgpu.copy_gmem_to_smem(received, refs["parts_here"], refs["parts_landed"])
  plgpu.barrier_wait(refs["parts_landed"])
  return sum(block.read(refs["parts_here"].at[n]) for n in range(team.blocks))
