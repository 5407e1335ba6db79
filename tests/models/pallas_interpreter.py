"""Runs the kernels of `lstm_pallas` in Pallas' interpreter, on a CPU.

The blocks of a team are made one cluster there, since it runs those side by
side and the blocks of a grid one after the other. It knows no layouts, no
transposed operands of wgmma and no semaphores, so what stands in for those is
here; waits, copies, loops and arithmetic are the kernels' own.

Each block takes a thread of XLA's pool and one more waits for them all: with
fewer threads than that they wait forever. So tests of this process have teams
of one block, which needs no thread; `python -m tests.models.pallas_interpreter`
runs a larger team and wants NPROC=8.
"""

import contextlib
import dataclasses
import functools
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import pytest
from jax import lax
from jax._src.pallas.mosaic_gpu.interpret.params import InterpretGPUParams
from jax.experimental.pallas import mosaic_gpu as plgpu

from musegen_jax.models import lstm_pallas
from musegen_jax.models import lstm_pallas_block as block
from tests.models.lstm_cases import (
  assert_close,
  make_inputs,
  values_and_gradients,
)

HIDDEN_SIZE = 64  # the smallest that wgmma's tiles allow


@dataclasses.dataclass(frozen=True)
class Hopper:
  """What `lstm_pallas` asks of a `jax.Device`."""

  platform: str = "gpu"
  compute_capability: str = "9.0"
  core_count: int = 132
  device_kind: str = "a faked H200"


class _Meeting:
  """What `block.counter`, `arrive` and `wait_for` are for: a count of arrivals
  for each block in global memory, which only that block writes."""

  def __init__(self) -> None:
    self.counts = None  # int32 [slices, blocks], of the kernel being traced

  def counter(self, team: block.Team) -> Any:
    return self.counts.at[lax.axis_index("slice")]

  def arrive(self, count: Any) -> None:
    own = count.at[lax.axis_index("block")]
    own[...] = own[...] + 1

  def wait_for(self, count: Any, arrivals: jax.Array) -> None:
    lax.while_loop(
      lambda arrived: arrived < arrivals, lambda _: count[...].sum(), 0
    )


def _write_turned(ref: Any, product: jax.Array) -> None:
  ref[...] = product.T


def _multiply(weights: Any, operand: Any) -> jax.Array:
  return jnp.dot(
    weights[...], operand[...].T, preferred_element_type=jnp.float32
  )


def install(monkeypatch: pytest.MonkeyPatch, units: int = HIDDEN_SIZE) -> None:
  """Lets this process run the kernels with 64 LSTM units, as on a Hopper, in
  teams of 64 / units blocks."""
  meeting, kernel = _Meeting(), plgpu.kernel

  def interpreted(body: Callable, *, grid: tuple, **rest: Any) -> Callable:
    def with_counts(counts: Any, *refs: Any, **local: Any) -> None:
      meeting.counts = counts
      body(*refs, **local)

    slices, blocks = grid
    mesh = {
      "grid": (slices,),
      "grid_names": ("slice",),
      "cluster": (blocks,),
      "cluster_names": ("block",),
    }
    run = kernel(with_counts, **rest | mesh, interpret=InterpretGPUParams())
    return lambda *operands: run(jnp.zeros(grid, jnp.int32), *operands)

  team = functools.partial(block.Team, units=units)
  monkeypatch.setattr(plgpu, "kernel", interpreted)
  monkeypatch.setattr(block, "Team", team)
  monkeypatch.setattr(block, "read", lambda ref: ref[...])
  monkeypatch.setattr(block, "write_turned", _write_turned)
  monkeypatch.setattr(block, "multiply", _multiply)
  monkeypatch.setattr(block, "counter", meeting.counter)
  monkeypatch.setattr(block, "arrive", meeting.arrive)
  monkeypatch.setattr(block, "wait_for", meeting.wait_for)
  monkeypatch.setattr(lstm_pallas, "SIZES", (HIDDEN_SIZE,))
  monkeypatch.setattr(lstm_pallas, "_device", Hopper)
  monkeypatch.setattr(lstm_pallas, "_on", contextlib.nullcontext)
  monkeypatch.setattr(
    lstm_pallas,
    "_failed_check",
    functools.cache(lstm_pallas._failed_check.__wrapped__),
  )


def compare(layers: int, steps: int, batch: int, extras: tuple) -> None:
  """Values and gradients of the kernels against the textbook loop's in float32
  on the same numbers, with the arguments named in `extras`."""
  (params, gates_in, carry), options = make_inputs(
    layers, steps, batch, HIDDEN_SIZE, "float32"
  )
  options |= {name: None for name in options if name not in extras}
  params = jax.tree.map(lambda array: array * HIDDEN_SIZE**-0.5, params)
  rough = gates_in.astype(jnp.bfloat16)
  exact = params, rough.astype(jnp.float32), carry
  expected = values_and_gradients(exact, **options, implementation="scan")
  # A function of its own, since what is traced here must not be kept.
  actual = jax.jit(
    lambda inputs, options: values_and_gradients.__wrapped__(
      inputs, **options, implementation="pallas"
    )
  )((params, rough, carry), options)
  outputs, last = actual[0]
  assert (outputs.dtype, last.c.dtype) == ("bfloat16", "float32")
  assert_close(actual, expected, 1e-2)


if __name__ == "__main__":
  with pytest.MonkeyPatch.context() as patch:
    install(patch, units=HIDDEN_SIZE // 2)
    patch.setattr(lstm_pallas, "refusal", lambda *sizes: None)
    compare(1, 2, 8, ())
