"""What the two kernels of `lstm_pallas` share: a layer's loop over time as one
kernel for NVIDIA's Hopper, forward (`lstm_pallas_forward`) and backward.

Never run on a GPU yet. Tests run it in Pallas' interpreter, which knows neither
layouts nor wgmma nor semaphores, so that `read`, `write_turned`, `multiply`,
`counter`, `arrive` and `wait_for` are replaced there; and they lower it for the
card, as far as that goes without one.

A loop of small kernels reads all recurrent weights at every step and waits for
each launch. Here the blocks of one grid stay on their multiprocessors for all T
steps ("persistent RNN", Diamos et al. 2016), each with the weights of U units'
four gates in its shared memory, and meet once a step. The batch is cut into
slices of N, which never need each other, so H/U blocks make a team per slice:

* forward, a block takes all of last step's h [N, H] through global memory and
  makes its own gates [4U, N], hence its own h [N, U];
* backward, it makes its own units' gate gradients [N, 4U], and from them a part
  of every unit's d_h [H, N]; what its own units get is the sum over the team,
  taken in one order, so that results repeat bit for bit. (To exchange gate
  gradients instead would read twice the bytes and waste half of each tile.)

Both products have the weights on the left: a tile of wgmma has 64 rows but may
have 8 columns, and a slice has fewer pieces than a block has gates.

Letters: T time step, B batch, N pieces in a slice, H LSTM units, U units of a
block, gates i, f, g, o. Products take bfloat16 and sum in float32.
"""

import dataclasses
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax
from jax.experimental import pallas as pl
from jax.experimental.pallas import mosaic_gpu as plgpu

# What a forward step leaves for the backward loop, beside its outputs: slopes
# of the four gates, then f and into_c; see `lstm_hoisted.forward_loop`.
SLOPES = 6
# Of one block on compute capability 9.0, less what barriers and alignment take.
_SHARED_BYTES = 227 * 1024 - 2048


@dataclasses.dataclass(frozen=True)
class Team:
  """How a layer is spread: `slices` teams of `blocks` blocks.

  Attributes:
    hidden_size: H, a multiple of 64 and of U.
    batch: B.
    pieces: N, a multiple of 8 that divides B.
    units: U, a multiple of 32.
  """

  hidden_size: int
  batch: int
  pieces: int
  units: int = 32

  @property
  def blocks(self) -> int:
    return self.hidden_size // self.units

  @property
  def slices(self) -> int:
    return self.batch // self.pieces

  @property
  def shared_bytes(self) -> int:
    """What a block of the backward loop, the larger one, keeps at hand."""
    weights = 2 * self.hidden_size * 4 * self.units
    sums = 2 * 4 * self.hidden_size  # what it sends and what it receives
    operands = 2 * self.units * (4 + SLOPES + 2)
    return weights + self.pieces * (sums + operands)


def plan(hidden_size: int, batch: int, processors: int) -> Team | None:
  """The smallest slices with which all teams are on the card at once, as they
  must be to meet; None if there are none."""
  for pieces in range(8, batch + 1, 8):
    team = Team(hidden_size, batch, pieces)
    if team.shared_bytes > _SHARED_BYTES:
      return None
    if batch % pieces == 0 and team.blocks * team.slices <= processors:
      return team
  return None


def launch(
  body: Callable[[dict], None],
  team: Team,
  operands: dict[str, jax.Array],
  outputs: dict[str, jax.ShapeDtypeStruct],
  scratch: dict[str, Any],
) -> dict[str, jax.Array]:
  """Runs `body` in every block, on all of these as references by name; returns
  the outputs."""
  names = (*operands, *outputs)

  def block(*arrays: Any, **local: Any) -> None:
    body(dict(zip(names, arrays, strict=True)) | local)

  kernel = plgpu.kernel(
    block,
    out_type=list(outputs.values()),
    scratch_types=scratch,
    grid=(team.slices, team.blocks),
    grid_names=("slice", "block"),
    kernel_name=f"lstm_{body.__name__.strip('_')}",
  )
  # Under vmap Pallas would add blocks to the grid that share the counters.
  kernel = jax.custom_batching.sequential_vmap(kernel)
  return dict(zip(outputs, kernel(*operands.values()), strict=True))


def shared(*shape: int, swizzle: int | None = None) -> Any:
  """A bfloat16 array in shared memory, with `swizzle` laid out for wgmma."""
  if swizzle is None:
    return plgpu.SMEM(shape, jnp.bfloat16)
  tiling = plgpu.TilingTransform((8, swizzle // 2))
  transforms = (tiling, plgpu.SwizzleTransform(swizzle))
  return plgpu.SMEM(shape, jnp.bfloat16, transforms=transforms)


def own(team: Team) -> tuple[Any, Any]:
  """This block's pieces and units, as slices of B and H."""
  first_piece = lax.axis_index("slice") * team.pieces
  first_unit = lax.axis_index("block") * team.units
  return pl.ds(first_piece, team.pieces), pl.ds(first_unit, team.units)


def gate(team: Team, number: int) -> Any:
  """Where a gate stands among a block's own [4U]."""
  return pl.ds(number * team.units, team.units)


def by_block(recurrent: jax.Array, team: Team) -> jax.Array:
  """Recurrent weights [H, 4H] as [H, 4, blocks, U]."""
  return recurrent.reshape(-1, 4, team.blocks, team.units)


def spread(keep: jax.Array, team: Team) -> jax.Array:
  """[T, B] bool -> [T, B, U] bfloat16, which a block reads as it is."""
  keep = keep.astype(jnp.bfloat16)[:, :, None]
  return jnp.broadcast_to(keep, (*keep.shape[:2], team.units))


def read_keep(refs: dict) -> jax.Array | None:
  """[N, U] bool, or None where nothing is ever emptied."""
  if "keep" not in refs:
    return None
  return read(refs["keep_here"]).astype(jnp.float32) > 0


# Only on the card.


def read(ref: Any) -> jax.Array:
  """[N, U] from shared or global memory, spread over the block's threads."""
  tiling = plgpu.Tiling(((8, 32), (2, 32), (2,)))
  layout = plgpu.Layout.TILED(
    tiling, warp_dims=(-5,), lane_dims=(-3, -2), vector_dim=-1
  )
  return plgpu.load(ref, (), layout=layout, optimized=False)


def write_turned(ref: Any, product: jax.Array) -> None:
  """Stores a product [M, N] as [N, M]."""
  turned = plgpu.layout_cast(product, plgpu.Layout.WGMMA_TRANSPOSED)
  plgpu.transpose_ref(ref, (1, 0))[...] = turned


def multiply(weights: Any, operand: Any) -> jax.Array:
  """[M, K] and [N, K] in shared memory -> [M, N] in float32."""

  def accumulate(sums: Any) -> jax.Array:
    plgpu.wgmma(sums, weights, plgpu.transpose_ref(operand, (1, 0)))
    return sums[...]

  shape = weights.shape[0], operand.shape[0]
  return pl.run_scoped(accumulate, plgpu.ACC(shape, jnp.float32))


def counter(team: Team) -> Any:
  """The team's count of arrivals, zero when the kernel starts."""
  counters = pl.get_global(plgpu.SemaphoreType.REGULAR((team.slices,)))
  return counters.at[lax.axis_index("slice")]


def arrive(count: Any) -> None:
  """Tells the team that what this block wrote to global memory is there.

  Writes and later reads go through TMA, and the copy out must be complete; the
  order is that of JAX's own `collective_matmul_mgpu`.
  """
  plgpu.semaphore_signal(count, memory_scope="gpu")


def wait_for(count: Any, arrivals: jax.Array) -> None:
  """Waits until the team has arrived so often in all."""
  plgpu.semaphore_wait(count, arrivals, decrement=False, memory_scope="gpu")
