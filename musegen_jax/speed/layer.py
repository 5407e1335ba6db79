"""--what=layer: forward and backward of LSTM layers, beside torch and Flax.

Letters: T steps, B batch, D width, H LSTM units, G = 4H gates, L layers.
"""

import time
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from musegen_jax.models import lstm, lstm_pallas
from musegen_jax.speed import peers, peers_flax, report
from musegen_jax.speed.machine import Limits
from musegen_jax.speed.sizes import Sizes
from musegen_jax.speed.timing import Call, Race, Settings, attempt, reason

OURS = "auto"


def sizes(platform: str) -> list[Sizes]:
  """What the issue asks for on a platform."""
  if platform == "cpu":
    pairs = ((512, 32), (512, 8), (256, 8), (256, 32))
    return [Sizes(2, 256, hidden, batch, 64) for hidden, batch in pairs]
  return [
    Sizes(3, hidden, hidden, batch, 512, dtype)
    for hidden, batch in ((512, 64), (1024, 256))
    for dtype in ("bfloat16", "float32")
  ]


def draw(sizes: Sizes) -> tuple[np.ndarray, np.ndarray]:
  """Inputs [T, B, D] and what the outputs are weighed by [T, B, H]."""
  rng = np.random.default_rng(0)
  shape = sizes.steps, sizes.batch
  inputs = rng.normal(size=(*shape, sizes.width))
  cotangent = rng.normal(size=(*shape, sizes.hidden_size)) / sizes.tokens**0.5
  return inputs.astype(np.float32), cotangent.astype(np.float32)


def ours(sizes: Sizes, implementation: str) -> tuple[Call, float]:
  """`lstm.lstm` by an implementation, and the seconds to compile it.

  Raises ValueError or RuntimeError where it cannot run these sizes here.
  """
  inputs, cotangent = draw(sizes)
  params = _params(sizes)
  carry = lstm.initial_carry(sizes.layers, sizes.batch, sizes.hidden_size)

  def forward(params: tuple, inputs: jax.Array) -> jax.Array:
    first, stacked = params
    gates = lstm.input_gates(inputs, first["kernel"], first["bias"])
    return lstm.lstm(stacked, gates, carry, implementation=implementation)[0]

  heard = jnp.asarray(inputs, sizes.dtype)
  return compiled(forward, params, heard, jnp.asarray(cotangent))


def flax_peer(sizes: Sizes) -> tuple[Call, float]:
  """Flax's scan, and the seconds to compile it."""
  inputs, cotangent = draw(sizes)
  model = peers_flax.Stack(sizes)
  heard = jnp.asarray(inputs, sizes.dtype)
  params = model.init(jax.random.key(0), heard[:1])
  return compiled(model.apply, params, heard, jnp.asarray(cotangent))


def _params(sizes: Sizes) -> tuple[dict, dict]:
  """The first layer's projection, and what `lstm.lstm` takes."""
  gates, upper = 4 * sizes.hidden_size, sizes.layers - 1
  rng, scale = np.random.default_rng(1), sizes.hidden_size**-0.5

  def uniform(*shape: int) -> jax.Array:
    return jnp.asarray(rng.uniform(-scale, scale, shape), jnp.float32)

  first = {"kernel": uniform(sizes.width, gates), "bias": uniform(gates)}
  stacked = {
    "recurrent": uniform(sizes.layers, sizes.hidden_size, gates),
    "input": uniform(upper, sizes.hidden_size, gates),
    "bias": uniform(upper, gates),
  }
  return first, stacked


def compiled(
  forward: Callable, params: Any, inputs: jax.Array, cotangent: jax.Array
) -> tuple[Call, float]:
  """A call that runs forward and backward for parameters and inputs, and the
  seconds to compile it."""

  def loss(params: Any, inputs: jax.Array) -> jax.Array:
    return (forward(params, inputs).astype(jnp.float32) * cotangent).sum()

  start = time.perf_counter()
  step = jax.jit(jax.value_and_grad(loss, (0, 1)))
  step = step.lower(params, inputs).compile()
  seconds = time.perf_counter() - start
  return lambda: jax.block_until_ready(step(params, inputs)), seconds


def implementations(
  sizes: Sizes, names: tuple[str, ...]
) -> tuple[dict[str, Call], dict[str, float], dict[str, str]]:
  """Those of ours that run here: calls, compile seconds, and why others do
  not."""
  calls, seconds, absent = {}, {}, {}
  for name in names:
    if name == "pallas":
      # Asked of lstm(), it would pass on to another without its name.
      dtype = jnp.dtype(sizes.dtype)
      refusal = lstm_pallas.refusal(
        dtype, sizes.batch, sizes.hidden_size, False
      )
      if refusal:
        absent[name] = f"implementation 'pallas' {refusal}"
        continue
    try:
      calls[name], seconds[name] = ours(sizes, name)
    except (ValueError, NotImplementedError, RuntimeError) as error:
      absent[name] = reason(error)
  return calls, seconds, absent


def race(settings: Settings, limits: Limits, sizes: Sizes) -> Race:
  """Every implementation and every peer at one size."""
  names = tuple(lstm.IMPLEMENTATIONS)
  calls, compile_seconds, absent = implementations(sizes, names)
  calls[peers_flax.NAME], compile_seconds[peers_flax.NAME] = flax_peer(sizes)
  torch, why = peers.torch_peers(settings.platform)
  if torch is None:
    absent["torch"] = why
  else:
    for name, form in torch.forms(settings, sizes.dtype).items():
      calls[name] = torch.layers(settings, sizes, form, *draw(sizes))
  seconds, failed = attempt(calls, settings)
  return Race(
    sizes.name,
    seconds,
    OURS,
    absent | failed,
    tokens=sizes.tokens,
    flops=sizes.layer_flops(),
    gemm=limits.gemm[sizes.dtype],
    compile_seconds=compile_seconds,
  )


def run(
  settings: Settings, limits: Limits, chosen: list[Sizes]
) -> report.Section:
  """The section of all sizes."""
  about = (
    "Forward and backward of LSTM layers, the gradient of the inputs included:"
    " each implementation of models/lstm.py, torch.nn.LSTM and Flax."
    " Compilation starts from an empty cache."
  )
  races = [race(settings, limits, sizes) for sizes in chosen]
  notes = report.gpu_notes(settings.platform)
  return report.of_races("layer", about, races, notes)
