"""The recurrent core: one pure function, several ways to run it.

Letters: T time step, B batch, D embedding width, H LSTM units, G = 4H gates
(i, f, g, o), L layers, V vocabulary. All sequences are time-major.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import lax

from musegen_jax.config import IMPLEMENTATIONS
from musegen_jax.models import (
  lstm_choice,
  lstm_cudnn,
  lstm_hoisted,
  lstm_pallas,
  lstm_recomputed,
  lstm_scan,
  lstm_wavefront,
)


class LSTMCarry(NamedTuple):
  """State between two steps.

  Attributes:
    h: [L, B, H] outputs of the layers, float32 (float64 if inputs are).
    c: [L, B, H] cell states, likewise.
  """

  h: jax.Array
  c: jax.Array


def initial_carry(layers: int, batch: int, hidden_size: int) -> LSTMCarry:
  """The empty state, [L, B, H] zeros in float32."""
  zeros = jnp.zeros((layers, batch, hidden_size), jnp.float32)
  return LSTMCarry(zeros, zeros)


def lstm(
  params: dict[str, jax.Array],
  gates_in: jax.Array,
  carry: LSTMCarry,
  *,
  reset: jax.Array | None = None,
  output_masks: jax.Array | None = None,
  implementation: str = "auto",
) -> tuple[jax.Array, LSTMCarry]:
  """Runs a stack of LSTM layers (Hochreiter & Schmidhuber 1997, with the
  forget gate of Gers et al. 2000) over a sequence.

  Args:
    params: "recurrent" [L, H, G]; for the layers from the second on also
      "input" [L-1, H, G] and "bias" [L-1, G].
    gates_in: [T, B, G] projected input of the first layer, bias included, as
      made by `embedding_gates` or `input_gates`. Its dtype is that of the
      matrix products and of the outputs; cell states and weight gradients are
      summed in float32 (float64 if it is float64).
    carry: the state before the first step.
    reset: [T, B] bool; the state is emptied before these steps.
    output_masks: [L, T, B, H] factors on what each layer passes upwards
      (dropout); the recurrence is untouched.
    implementation: "scan" is the textbook loop, "hoisted" the fast one,
      "recomputed" the same with less memory, "wavefront" the one for GPUs, all
      layers at once; "auto" takes the one that `fastest` names. They agree up
      to rounding. "pallas" is a kernel for bfloat16 on NVIDIA's Hopper; where
      it cannot run, or fails its check, "auto" takes its place with one line.
      "cudnn" is NVIDIA's, to check ours against: float32, without reset and
      output_masks.

  Returns:
    The last layer's outputs [T, B, H] and the state after the last step.

  Raises:
    ValueError: on an unknown implementation, arrays that do not fit, or what
      cuDNN cannot do where it was asked for.
  """
  if implementation not in IMPLEMENTATIONS:
    choices = ", ".join(IMPLEMENTATIONS)
    raise ValueError(f"implementation {implementation!r} is not in: {choices}")
  params = {name: params[name] for name in ("recurrent", "input", "bias")}
  _check_shapes(params, gates_in, carry, reset, output_masks)
  if implementation == "auto":
    implementation = lstm_choice.fastest(
      jax.default_backend(), *carry.h.shape, str(gates_in.dtype)
    )
  if implementation == "pallas":
    implementation = lstm_pallas.choose(
      gates_in.dtype, *carry.h.shape, resets=reset is not None
    )
  match implementation:
    case "scan":
      run = lstm_scan.run
    case "hoisted":
      run = lstm_hoisted.run
    case "recomputed":
      run = lstm_recomputed.run
    case "wavefront":
      run = lstm_wavefront.run
    case "pallas":
      run = lstm_pallas.run
    case "cudnn":
      run = lstm_cudnn.run
  dtype = jnp.promote_types(gates_in.dtype, jnp.float32)
  state = (carry.h.astype(dtype), carry.c.astype(dtype))
  outputs, state = run(params, gates_in, state, reset, output_masks)
  return outputs, LSTMCarry(*state)


def single_layer(recurrent: jax.Array) -> dict[str, jax.Array]:
  """What `lstm` takes for one layer alone: [1, H, G] and nothing above."""
  _, hidden_size, gates = recurrent.shape
  return {
    "recurrent": recurrent,
    "input": jnp.zeros((0, hidden_size, gates), recurrent.dtype),
    "bias": jnp.zeros((0, gates), recurrent.dtype),
  }


def _check_shapes(
  params: dict[str, jax.Array],
  gates_in: jax.Array,
  carry: LSTMCarry,
  reset: jax.Array | None,
  output_masks: jax.Array | None,
) -> None:
  layers, hidden_size, gates = params["recurrent"].shape
  steps, batch = gates_in.shape[:2]
  expected = {
    "params['recurrent']": (params["recurrent"], (layers, gates // 4, gates)),
    "params['input']": (params["input"], (layers - 1, hidden_size, gates)),
    "params['bias']": (params["bias"], (layers - 1, gates)),
    "gates_in": (gates_in, (steps, batch, gates)),
    "carry.h": (carry.h, (layers, batch, hidden_size)),
    "carry.c": (carry.c, (layers, batch, hidden_size)),
    "reset": (reset, (steps, batch)),
    "output_masks": (output_masks, (layers, steps, batch, hidden_size)),
  }
  for name, (array, shape) in expected.items():
    if array is not None and array.shape != shape:
      raise ValueError(f"{name} has shape {array.shape}, expected {shape}")


def embedding_gates(
  embedding: jax.Array,
  kernel: jax.Array,
  bias: jax.Array,
  tokens: jax.Array,
  places: jax.Array | None = None,
) -> jax.Array:
  """First-layer gates of tokens, by table lookup.

  `embedding[tokens] @ kernel + bias` equals a lookup in the table
  `embedding @ kernel + bias` of V rows, which costs far less than a product
  over all T*B tokens. Its gradient sums over equal tokens in float32.

  Args:
    embedding: [V, D]; its dtype is that of the result.
    kernel: [D, G].
    bias: [G], or [C, G] with places.
    tokens: [T, B] int, each in 0..V-1.
    places: [T, B] int, each in 0..C-1, whose row of the bias a step takes.

  Returns:
    [T, B, G].
  """
  accumulate = jnp.promote_types(embedding.dtype, jnp.float32)
  table = jnp.dot(embedding, kernel, preferred_element_type=accumulate)
  bias = bias.astype(accumulate)
  if places is None:
    return (table + bias[None, :])[tokens].astype(embedding.dtype)
  # A row for each pair costs less than a second lookup as large as the gates.
  table = (bias[:, None, :] + table[None]).reshape(-1, table.shape[1])
  return table[places * len(embedding) + tokens].astype(embedding.dtype)


@jax.custom_vjp
def add_to_steps(gates_in: jax.Array, context: jax.Array) -> jax.Array:
  """Gates [T, B, G] plus a context [B, G] that every step hears."""
  return gates_in + context.astype(gates_in.dtype)[None]


def _add_to_steps_forward(gates_in: jax.Array, context: jax.Array) -> tuple:
  # The context travels along for its dtype.
  return add_to_steps(gates_in, context), context


def _add_to_steps_backward(context: jax.Array, d_gates: jax.Array) -> tuple:
  # XLA's CPU sum over the leading axis takes 60 times as long as this product.
  accumulate = jnp.promote_types(d_gates.dtype, jnp.float32)
  ones = jnp.ones(len(d_gates), d_gates.dtype)
  flat = d_gates.reshape(len(d_gates), -1)
  total = jnp.dot(ones, flat, preferred_element_type=accumulate)
  return d_gates, total.reshape(context.shape).astype(context.dtype)


add_to_steps.defvjp(_add_to_steps_forward, _add_to_steps_backward)


@jax.custom_vjp
def input_gates(
  inputs: jax.Array, kernel: jax.Array, bias: jax.Array
) -> jax.Array:
  """First-layer gates of continuous inputs, by one product for all steps.

  Args:
    inputs: [T, B, D]; their dtype is that of the result.
    kernel: [D, G]; its gradient is summed in float32.
    bias: [G], likewise.

  Returns:
    [T, B, G].
  """
  steps, batch, width = inputs.shape
  dtype = inputs.dtype
  flat = inputs.reshape(steps * batch, width)
  gates = flat @ kernel.astype(dtype) + bias.astype(dtype)[None, :]
  return gates.reshape(steps, batch, -1)


def _input_gates_forward(
  inputs: jax.Array, kernel: jax.Array, bias: jax.Array
) -> tuple:
  return input_gates(inputs, kernel, bias), (inputs, kernel, bias)


def _input_gates_backward(residuals: tuple, d_gates: jax.Array) -> tuple:
  inputs, kernel, bias = residuals
  accumulate = jnp.promote_types(inputs.dtype, jnp.float32)
  flat = d_gates.reshape(-1, d_gates.shape[-1])
  # XLA's CPU product is half as fast on a left operand it must transpose
  # itself, so it gets one transposed beforehand.
  columns = lax.optimization_barrier(inputs.reshape(-1, inputs.shape[-1]).T)
  d_kernel = jnp.dot(columns, flat, preferred_element_type=accumulate)
  d_bias = flat.sum(0, dtype=accumulate)
  d_inputs = (flat @ kernel.astype(flat.dtype).T).reshape(inputs.shape)
  return d_inputs, d_kernel.astype(kernel.dtype), d_bias.astype(bias.dtype)


input_gates.defvjp(_input_gates_forward, _input_gates_backward)
