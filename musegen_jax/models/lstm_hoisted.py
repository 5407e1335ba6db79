"""The LSTM with a hand-written gradient: only what must wait is in the loop.

Three things make it fast. Weight gradients are sums over time, so they leave
the backward loop and become one large product. The forward loop saves the
slopes the backward loop needs, which is then a product and six multiplications
a step. And both loops work on the transposed state [H, B], so that the large
weight matrix is the left operand, which CPU kernels read without repacking.

Letters: T time step, B batch, H LSTM units, G = 4H gates (i, f, g, o),
L layers.
"""

from collections.abc import Callable

import jax
import jax.numpy as jnp
from jax import lax

from musegen_jax.models import lstm_cell


def run(
  params: dict[str, jax.Array],
  gates_in: jax.Array,
  carry: tuple[jax.Array, jax.Array],
  reset: jax.Array | None,
  output_masks: jax.Array | None,
) -> tuple[jax.Array, tuple[jax.Array, jax.Array]]:
  """Runs layer after layer; the contract is that of `lstm.lstm`."""
  return run_layers(
    params,
    gates_in,
    carry,
    reset,
    output_masks,
    recurrence,
    projected(recurrence),
  )


def run_layers(
  params: dict[str, jax.Array],
  gates_in: jax.Array,
  carry: tuple[jax.Array, jax.Array],
  reset: jax.Array | None,
  output_masks: jax.Array | None,
  first_layer: Callable,
  upper_layer: Callable,
) -> tuple[jax.Array, tuple[jax.Array, jax.Array]]:
  """Runs layer after layer on transposed states.

  Args:
    params: and the next four as `lstm.lstm` takes them.
    gates_in: see there.
    carry: h and c.
    reset: see there.
    output_masks: see there.
    first_layer: (recurrent [H, G], gates [T, G, B], h [H, B], c [H, B], keep
      [T, 1, B] or None) -> outputs [T, H, B] and the last h and c.
    upper_layer: (kernel [H, G], bias [G], recurrent [H, G], inputs [T, H, B],
      h, c, keep) -> likewise.
  """
  h, c = (jnp.swapaxes(state, 1, 2) for state in carry)
  keep = None if reset is None else ~reset[:, None, :]
  outputs = jnp.swapaxes(gates_in, 1, 2)
  last_h, last_c = [], []
  for layer, recurrent in enumerate(jnp.unstack(params["recurrent"])):
    state = h[layer], c[layer], keep
    if layer:
      kernel, bias = params["input"][layer - 1], params["bias"][layer - 1]
      outputs, *end = upper_layer(kernel, bias, recurrent, outputs, *state)
    else:
      outputs, *end = first_layer(recurrent, outputs, *state)
    last_h.append(end[0].T)
    last_c.append(end[1].T)
    if output_masks is not None:
      masks = jnp.swapaxes(output_masks[layer], 1, 2)
      outputs = outputs * masks.astype(outputs.dtype)
  outputs = jnp.swapaxes(outputs, 1, 2)
  return outputs, (jnp.stack(last_h), jnp.stack(last_c))


def projected(first_layer: Callable) -> Callable:
  """The upper layer that a first layer makes behind `project`; see
  `run_layers`."""

  def upper_layer(
    kernel: jax.Array,
    bias: jax.Array,
    recurrent: jax.Array,
    inputs: jax.Array,
    *state: jax.Array | None,
  ) -> tuple[jax.Array, jax.Array, jax.Array]:
    return first_layer(recurrent, project(inputs, kernel, bias), *state)

  return upper_layer


@jax.custom_vjp
def recurrence(
  recurrent: jax.Array,
  gates_in: jax.Array,
  h: jax.Array,
  c: jax.Array,
  keep: jax.Array | None,
) -> tuple[jax.Array, jax.Array, jax.Array]:
  """One layer: [H, G], [T, G, B], [H, B], [H, B], [T, 1, B] -> [T, H, B]."""
  outputs, last, _ = forward_loop(
    recurrent, gates_in, h, c, keep, save_slopes=False
  )
  return outputs, *last


def forward_loop(
  recurrent: jax.Array,
  gates_in: jax.Array,
  h: jax.Array,
  c: jax.Array,
  keep: jax.Array | None,
  *,
  save_slopes: bool,
) -> tuple[jax.Array, tuple, tuple | None]:
  """Outputs [T, H, B], the last h and c, and with `save_slopes` what
  `recurrence_backward` wants of every step: rows [T, G, B], (f, into_c) [T, H,
  B]."""
  dtype = gates_in.dtype
  # The barrier keeps XLA from folding the transposition into every step.
  weights = lax.optimization_barrier(recurrent.astype(dtype).T)

  def step(state: tuple, inputs: tuple) -> tuple:
    h, c, rows = state
    t, keep_t = inputs
    gates = lax.dynamic_index_in_dim(rows, t, keepdims=False).astype(c.dtype)
    if keep_t is not None:
      h, c = jnp.where(keep_t, h, 0), jnp.where(keep_t, c, 0)
    gates += jnp.dot(weights, h, preferred_element_type=c.dtype)
    old_c = c
    h, c, cell = lstm_cell.advance(gates, c, axis=0)
    h = h.astype(dtype)
    if not save_slopes:
      return (h, c, rows), (h, None)
    by_gate, into_c = lstm_cell.slopes(cell, old_c, axis=0)
    # Each step's row of inputs is read once, so its slopes can take its place:
    # this saves a [T, G, B] buffer and the time to fill it with zeros.
    rows = lax.dynamic_update_index_in_dim(rows, by_gate.astype(dtype), t, 0)
    f = cell.f if keep_t is None else jnp.where(keep_t, cell.f, 0)
    return (h, c, rows), (h, (f.astype(dtype), into_c.astype(dtype)))

  state = (h.astype(dtype), c, gates_in)
  steps = jnp.arange(len(gates_in))
  (last_h, last_c, rows), (outputs, slopes) = lax.scan(
    step, state, (steps, keep)
  )
  return outputs, (last_h.astype(h.dtype), last_c), (rows, slopes)


def _recurrence_forward(
  recurrent: jax.Array,
  gates_in: jax.Array,
  h: jax.Array,
  c: jax.Array,
  keep: jax.Array | None,
) -> tuple:
  outputs, last, slopes = forward_loop(
    recurrent, gates_in, h, c, keep, save_slopes=True
  )
  return (outputs, *last), (recurrent, h, outputs, slopes, keep)


def recurrence_backward(residuals: tuple, cotangents: tuple) -> tuple:
  """Gradients of `recurrence` from (recurrent, first h, outputs, slopes, keep)
  and those of what it returned."""
  recurrent, first_h, outputs, (rows, slopes), keep = residuals
  d_outputs, d_h, d_c = cotangents
  dtype = outputs.dtype
  weights = recurrent.astype(dtype)

  def step(state: tuple, inputs: tuple) -> tuple:
    d_h, d_c, rows = state
    t, d_output, (f, into_c), keep_t = inputs
    by_gate = lax.dynamic_index_in_dim(rows, t, keepdims=False)
    d_h += d_output.astype(d_h.dtype)
    d_c += d_h * into_c.astype(d_c.dtype)
    by_gate = by_gate.astype(d_c.dtype)
    d_gates = lstm_cell.gate_gradients(by_gate, d_h, d_c, axis=0).astype(dtype)
    rows = lax.dynamic_update_index_in_dim(rows, d_gates, t, 0)
    d_h = jnp.dot(weights, d_gates, preferred_element_type=d_h.dtype)
    if keep_t is not None:
      d_h = jnp.where(keep_t, d_h, 0)
    return (d_h, d_c * f.astype(d_c.dtype), rows), None

  steps = jnp.arange(len(rows))
  (d_h, d_c, d_gates), _ = lax.scan(
    step, (d_h, d_c, rows), (steps, d_outputs, slopes, keep), reverse=True
  )
  d_recurrent = recurrent_gradient(recurrent, first_h, outputs, d_gates, keep)
  return d_recurrent, d_gates, d_h, d_c, None


recurrence.defvjp(_recurrence_forward, recurrence_backward)


def recurrent_gradient(
  recurrent: jax.Array,
  first_h: jax.Array,
  outputs: jax.Array,
  d_gates: jax.Array,
  keep: jax.Array | None,
) -> jax.Array:
  """Gradient of the recurrent weights [H, G], from those of the gates of all
  steps [T, G, B]; the others as `recurrence` takes and returns them."""
  first = first_h[None].astype(outputs.dtype)
  previous = jnp.concatenate((first, outputs[:-1]))
  if keep is not None:
    previous = jnp.where(keep, previous, 0)
  return _sum_outer(previous, d_gates).astype(recurrent.dtype)


def _sum_outer(left: jax.Array, right: jax.Array) -> jax.Array:
  """[T, M, B] and [T, N, B] -> [M, N], summed over T and B in float32."""
  contract = ((0, 2), (0, 2))
  accumulate = jnp.promote_types(left.dtype, jnp.float32)
  return lax.dot_general(
    left, right, (contract, ((), ())), preferred_element_type=accumulate
  )


@jax.custom_vjp
def project(inputs: jax.Array, kernel: jax.Array, bias: jax.Array) -> jax.Array:
  """Gates [T, G, B] from the layer below: [T, H, B], [H, G], [G]."""
  dtype = inputs.dtype
  gates = lax.dot_general(
    kernel.astype(dtype).T, inputs, (((1,), (1,)), ((), ()))
  )
  return jnp.swapaxes(gates, 0, 1) + bias.astype(dtype)[None, :, None]


def _project_forward(
  inputs: jax.Array, kernel: jax.Array, bias: jax.Array
) -> tuple:
  return project(inputs, kernel, bias), (inputs, kernel, bias)


def project_backward(residuals: tuple, d_gates: jax.Array) -> tuple:
  """Gradients of `project` from its arguments and that of the gates."""
  inputs, kernel, bias = residuals
  d_inputs = lax.dot_general(
    kernel.astype(d_gates.dtype), d_gates, (((1,), (1,)), ((), ()))
  )
  d_kernel = _sum_outer(inputs, d_gates).astype(kernel.dtype)
  accumulate = jnp.promote_types(d_gates.dtype, jnp.float32)
  d_bias = d_gates.sum((0, 2), dtype=accumulate).astype(bias.dtype)
  return jnp.swapaxes(d_inputs, 0, 1), d_kernel, d_bias


project.defvjp(_project_forward, project_backward)
