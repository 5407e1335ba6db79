"""Data parallelism by pmap: one replica a device, rows split over devices.

The only file that knows how many devices and processes there are.
"""

import functools
from collections.abc import Callable
from typing import Any

import jax
import numpy as np
from flax import jax_utils
from jax.experimental import multihost_utils

from musegen_jax.errors import UserError
from musegen_jax.training import state as state_lib
from musegen_jax.training import steps


def initialize(
  coordinator: str, num_processes: int | None, process_id: int | None
) -> None:
  """Joins several processes into one run.

  Args:
    coordinator: host:port of process 0; "auto" reads the cluster's own
      environment (SLURM, TPU pods, Open MPI); empty for a single process.
    num_processes: how many; None under "auto".
    process_id: this one's number; None under "auto".
  """
  if not coordinator:
    if num_processes is not None or process_id is not None:
      raise UserError(
        "--num_processes and --process_id need --coordinator=HOST:PORT"
      )
    return
  try:
    if coordinator == "auto":
      jax.distributed.initialize()
    else:
      jax.distributed.initialize(coordinator, num_processes, process_id)
  except (ValueError, RuntimeError) as error:
    raise UserError(
      f"cannot join the run at --coordinator={coordinator}: {error}; give"
      " --coordinator=HOST:PORT --num_processes=N --process_id=0..N-1"
    ) from None


def is_main() -> bool:
  """Whether this process writes the logs."""
  return jax.process_index() == 0


def own_rows(batch_size: int) -> slice:
  """The rows of a batch that this process computes."""
  share = batch_size // jax.process_count()
  return slice(jax.process_index() * share, (jax.process_index() + 1) * share)


def split_rows(tree: Any, axis: int = 0) -> Any:
  """Puts a leading device axis before arrays whose `axis` runs over rows."""
  devices = jax.local_device_count()

  def split(array: np.ndarray) -> np.ndarray:
    shape = array.shape
    parts = (*shape[:axis], devices, -1, *shape[axis + 1 :])
    return np.moveaxis(np.asarray(array).reshape(parts), axis, 0)

  return jax.tree.map(split, tree)


def _fetch(array: jax.Array) -> np.ndarray:
  """This process's shards of a pmapped array, as one array."""
  by_device = sorted(
    array.addressable_shards, key=lambda shard: shard.index[0].start or 0
  )
  return np.concatenate([np.asarray(jax.device_get(s.data)) for s in by_device])


def first(tree: Any) -> Any:
  """What the first local device holds of a replicated tree, as NumPy."""
  return jax.tree.map(
    lambda array: np.asarray(jax.device_get(array.addressable_shards[0].data))[
      0
    ],
    tree,
  )


def _is_list(node: Any) -> bool:
  return isinstance(node, list)


@jax.jit
def _without_device_axis(tree: Any) -> Any:
  return jax.tree.map(lambda array: array[0], tree)


def by_device(params: Any) -> list[Any]:
  """A replicated tree as one tree for each local device, without a copy to
  the host."""
  shards = jax.tree.map(
    lambda array: [shard.data for shard in array.addressable_shards], params
  )
  trees = [
    jax.tree.map(lambda each, at=i: each[at], shards, is_leaf=_is_list)
    for i in range(jax.local_device_count())
  ]
  # A tree at once: array by array each shape would be compiled by itself. Put
  # on what it lies on already, it loses the mesh that pmap names; with that,
  # whoever feeds results back would be compiled for them anew.
  return [
    _without_device_axis(jax.device_put(tree, device))
    for tree, device in zip(trees, jax.local_devices(), strict=True)
  ]


def spread(state: state_lib.State) -> state_lib.State:
  """Copies a whole-batch state onto this process's devices."""

  def own_part(array: jax.Array) -> np.ndarray:
    return np.asarray(array)[:, own_rows(array.shape[1])]

  own = jax.tree.map(own_part, state.carry)
  replicated = jax_utils.replicate(state.replace(carry=None))
  whole = replicated.replace(carry=split_rows(own, axis=1))
  # Through a pmap over the same axis, so that the first step meets arrays laid
  # out as those that every step returns; else it would be compiled twice.
  return jax.pmap(lambda state: state, axis_name=steps.AXIS)(whole)


def collect(state: state_lib.State) -> state_lib.State:
  """The inverse of `spread`: one whole-batch state, on every process."""
  whole = first(state.replace(carry=None))

  def join(array: jax.Array) -> np.ndarray:
    own = np.concatenate(list(_fetch(array)), axis=1)
    if jax.process_count() == 1:
      return own
    every = multihost_utils.process_allgather(own)
    return np.concatenate(list(every), axis=1)

  return whole.replace(carry=jax.tree.map(join, state.carry))


def put_rows(batches: dict[str, np.ndarray]) -> Any:
  """Batches [n, B, ...] of this process's rows on its devices, as arrays
  [devices, n, B / devices, ...] laid out as the pmapped steps want them."""
  mesh = jax.sharding.Mesh(np.array(jax.local_devices()), (steps.AXIS,))
  by_device = jax.sharding.NamedSharding(
    mesh, jax.sharding.PartitionSpec(steps.AXIS)
  )
  return jax.device_put(split_rows(batches, axis=1), by_device)


def pmap_steps(**statics: Any) -> Callable:
  """`steps.train_steps` over all devices; the state's buffers are reused."""
  run = functools.partial(steps.train_steps, **statics)
  return jax.pmap(run, axis_name=steps.AXIS, donate_argnums=0)


def any_process(flag: bool) -> bool:
  """Whether the flag is set on any process; all must call together."""
  if jax.process_count() == 1:
    return flag
  return bool(multihost_utils.process_allgather(np.array(flag)).any())


def sum_over_processes(values: np.ndarray) -> np.ndarray:
  """Adds a float64 array over processes; all must call together."""
  if jax.process_count() == 1:
    return values
  # Without x64 a gather would round to float32: the bits travel instead.
  bits = np.ascontiguousarray(values, np.float64).view(np.uint32)
  every = np.asarray(multihost_utils.process_allgather(bits))
  return every.view(np.float64).sum(0)
