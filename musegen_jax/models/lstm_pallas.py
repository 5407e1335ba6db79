"""The LSTM as persistent kernels on NVIDIA's Hopper, where it can run.

Never run on a GPU yet; see `lstm_pallas_block` for what is tested without.
So a device proves itself first: `choose` compares a few steps, values and
gradients, with the textbook loop, and names another implementation where they
differ or do not compile. What it cannot catch is a kernel that never ends.

As in `lstm_hoisted`, whose parts it uses, the forward loop saves slopes, and
projections and weight gradients are large products outside the loops.

Letters: T time step, B batch, H LSTM units, G = 4H gates (i, f, g, o).
"""

import functools
from concurrent import futures
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from absl import logging

from musegen_jax.models import lstm_choice, lstm_hoisted, lstm_scan

SIZES = (256, 512)  # H
# Relative to the norm of each result; bfloat16 rounds by up to 0.4 %, and what
# follows from it stays near: 0.6 % in the interpreter.
TOLERANCE = 2e-2
_CHECK_STEPS = 4


def choose(
  dtype: jnp.dtype, layers: int, batch: int, hidden_size: int, resets: bool
) -> str:
  """ "pallas", or what is fastest of the others where that cannot run here,
  which is logged, once for each reason."""
  reason = refusal(dtype, batch, hidden_size, resets)
  if reason is None:
    return "pallas"
  _log_once(f"implementation 'pallas' {reason}; taking the next fastest")
  instead = lstm_choice.fastest(
    jax.default_backend(), layers, batch, hidden_size, str(dtype)
  )
  return "hoisted" if instead == "pallas" else instead


def refusal(
  dtype: jnp.dtype, batch: int, hidden_size: int, resets: bool
) -> str | None:
  """Why the kernels are not used on this process's first device; None if they
  are. The first call for a size compiles and checks them."""
  device = _device()
  return supported(device, dtype, batch, hidden_size) or _failed_check(
    device, batch, hidden_size, resets
  )


def supported(
  device: Any, dtype: jnp.dtype, batch: int, hidden_size: int
) -> str | None:
  """Why the kernels cannot run, as the rest of a sentence; None if they can.

  Args:
    device: a `jax.Device`.
    dtype: of the products.
    batch: B.
    hidden_size: H.
  """
  if device.platform != "gpu":
    return f"needs an NVIDIA GPU, the platform is {device.platform}"
  capability = getattr(device, "compute_capability", "unknown")
  if capability != "9.0":
    return f"needs compute capability 9.0 (Hopper), this GPU's is {capability}"
  if dtype != jnp.bfloat16:
    return f"computes in bfloat16, not {dtype}"
  if hidden_size not in SIZES:
    sizes = " and ".join(map(str, SIZES))
    return f"knows {sizes} LSTM units, not {hidden_size}"
  if batch % 8:
    return f"needs a batch that is a multiple of 8, not {batch}"
  try:
    team = _team(device, batch, hidden_size)
  except (ImportError, AttributeError) as error:
    # Pallas' GPU dialect changes between releases of JAX.
    return f"does not fit JAX {jax.__version__} ({_one_line(error)})"
  if team is None:
    cores = device.core_count
    return f"has no room for batch {batch} x {hidden_size} on {cores} cores"
  return None


def run(
  params: dict[str, jax.Array],
  gates_in: jax.Array,
  carry: tuple[jax.Array, jax.Array],
  reset: jax.Array | None,
  output_masks: jax.Array | None,
) -> tuple[jax.Array, tuple[jax.Array, jax.Array]]:
  """Runs layer after layer; the contract is that of `lstm.lstm`, for what
  `supported` has no reason against."""
  return lstm_hoisted.run_layers(
    params,
    gates_in,
    carry,
    reset,
    output_masks,
    _recurrence,
    lstm_hoisted.projected(_recurrence),
  )


def _device() -> Any:
  return jax.local_devices()[0]


_on = jax.default_device


def _team(device: Any, batch: int, hidden_size: int) -> Any:
  # Only where it is used: it takes half a second to import.
  from musegen_jax.models import lstm_pallas_block

  return lstm_pallas_block.plan(hidden_size, batch, device.core_count)


def _one_line(error: Exception) -> str:
  lines = str(error).strip().splitlines()
  return f"{type(error).__name__}: {lines[0][:200] if lines else 'no message'}"


@functools.cache
def _log_once(message: str) -> None:
  # `errors.run` silences warnings.
  logging.error(message)


@functools.cache
def _failed_check(
  device: Any, batch: int, hidden_size: int, resets: bool
) -> str | None:
  """Runs the kernels of this size on `device` against the textbook loop."""

  def check() -> None:
    with _on(device):
      _check(batch, hidden_size, resets)

  # In a thread of its own nothing is traced, whoever asks.
  with futures.ThreadPoolExecutor(1) as thread:
    try:
      thread.submit(check).result()
    except Exception as error:  # whatever a compiler or driver may raise
      return f"fails on {device.device_kind} ({_one_line(error)})"
  return None


def _check(batch: int, hidden_size: int, resets: bool) -> None:
  """Raises ArithmeticError if values or gradients of a few steps differ."""
  rng = np.random.default_rng(0)

  def draw(*shape: int, scale: float = 1.0) -> jax.Array:
    numbers = jnp.asarray(scale * rng.normal(size=shape), jnp.bfloat16)
    return numbers.astype(jnp.float32)

  gates = 4 * hidden_size
  params = {
    "recurrent": draw(1, hidden_size, gates, scale=hidden_size**-0.5),
    "input": jnp.zeros((0, hidden_size, gates)),
    "bias": jnp.zeros((0, gates)),
  }
  gates_in = draw(_CHECK_STEPS, batch, gates)
  carry = draw(1, batch, hidden_size), draw(1, batch, hidden_size)
  reset = jnp.asarray(rng.random((_CHECK_STEPS, batch)) < 0.3)
  factors = draw(_CHECK_STEPS + 2, batch, hidden_size)

  def results(loop: Any, dtype: jnp.dtype) -> dict[str, jax.Array]:
    def loss(params: dict, gates_in: jax.Array, carry: tuple) -> tuple:
      outputs, (h, c) = loop(
        params, gates_in.astype(dtype), carry, reset if resets else None, None
      )
      outputs = jnp.concatenate((outputs.astype(jnp.float32), h, c))
      return (outputs * factors).sum(), outputs

    step = jax.jit(jax.grad(loss, (0, 1, 2), has_aux=True))
    (d_params, d_gates, (d_h, d_c)), outputs = step(params, gates_in, carry)
    return {
      "outputs": outputs,
      "gradient of recurrent": d_params["recurrent"],
      "gradient of gates_in": d_gates,
      "gradient of h": d_h,
      "gradient of c": d_c,
    }

  expected = results(lstm_scan.run, jnp.float32)
  for name, actual in results(run, jnp.bfloat16).items():
    exact = np.asarray(expected[name])
    error = np.linalg.norm(np.asarray(actual) - exact) / np.linalg.norm(exact)
    if not error <= TOLERANCE:  # NaN is not either
      raise ArithmeticError(f"{name} is off by {error:.2%}")


@jax.custom_vjp
def _recurrence(
  recurrent: jax.Array,
  gates_in: jax.Array,
  h: jax.Array,
  c: jax.Array,
  keep: jax.Array | None,
) -> tuple[jax.Array, jax.Array, jax.Array]:
  """One layer, shapes as in `lstm_hoisted.recurrence`."""
  return _forward_loop(recurrent, gates_in, h, c, keep, save_slopes=False)[0]


def _forward_loop(
  recurrent: jax.Array,
  gates_in: jax.Array,
  h: jax.Array,
  c: jax.Array,
  keep: jax.Array | None,
  *,
  save_slopes: bool,
) -> tuple[tuple, jax.Array | None]:
  from musegen_jax.models import lstm_pallas_forward

  steps, _, batch = gates_in.shape
  by_gate = jnp.swapaxes(gates_in, 1, 2).reshape(steps, batch, 4, -1)
  outputs, last_c, slopes = lstm_pallas_forward.loop(
    _team(_device(), batch, len(h)),
    recurrent.astype(gates_in.dtype),
    by_gate,
    h.T.astype(gates_in.dtype),
    c.T,
    None if keep is None else keep[:, 0],
    save_slopes=save_slopes,
  )
  outputs = jnp.swapaxes(outputs, 1, 2)
  return (outputs, outputs[-1].astype(h.dtype), last_c.T), slopes


def _recurrence_forward(
  recurrent: jax.Array,
  gates_in: jax.Array,
  h: jax.Array,
  c: jax.Array,
  keep: jax.Array | None,
) -> tuple:
  results, slopes = _forward_loop(
    recurrent, gates_in, h, c, keep, save_slopes=True
  )
  return results, (recurrent, h, results[0], slopes, keep)


def _recurrence_backward(residuals: tuple, cotangents: tuple) -> tuple:
  from musegen_jax.models import lstm_pallas_backward

  recurrent, h, outputs, slopes, keep = residuals
  d_outputs, d_h, d_c = cotangents
  steps, hidden_size, batch = outputs.shape
  d_gates, d_h, d_c = lstm_pallas_backward.loop(
    _team(_device(), batch, hidden_size),
    recurrent.astype(outputs.dtype),
    slopes,
    jnp.swapaxes(d_outputs, 1, 2),
    d_h.T,
    d_c.T,
    None if keep is None else keep[:, 0],
  )
  d_gates = jnp.swapaxes(d_gates.reshape(steps, batch, -1), 1, 2)
  d_recurrent = lstm_hoisted.recurrent_gradient(
    recurrent, h, outputs, d_gates, keep
  )
  return d_recurrent, d_gates, d_h.T, d_c.T, None


_recurrence.defvjp(_recurrence_forward, _recurrence_backward)
