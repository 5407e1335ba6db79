"""The LSTM of `lstm_hoisted` with less memory: slopes are made anew.

Training keeps only outputs and cell states of every step; before a layer's
backward loop, one product for all steps rebuilds its gates from them, which
costs a quarter more time than keeping them (unlike `jax.checkpoint`, which
would run the sequential loop again). A layer then holds 2H numbers a step
instead of 7H, the first one 6H since its gates come from outside.

Letters: T time step, B batch, H LSTM units, G = 4H gates (i, f, g, o).
"""

import jax
import jax.numpy as jnp
from jax import lax

from musegen_jax.models import lstm_cell, lstm_hoisted


def run(
  params: dict[str, jax.Array],
  gates_in: jax.Array,
  carry: tuple[jax.Array, jax.Array],
  reset: jax.Array | None,
  output_masks: jax.Array | None,
) -> tuple[jax.Array, tuple[jax.Array, jax.Array]]:
  """Runs layer after layer; the contract is that of `lstm.lstm`."""
  return lstm_hoisted.run_layers(
    params,
    gates_in,
    carry,
    reset,
    output_masks,
    _first_layer,
    _upper_layer,
  )


def _loop(
  recurrent: jax.Array,
  gates: jax.Array,
  h: jax.Array,
  c: jax.Array,
  keep: jax.Array | None,
) -> tuple[jax.Array, jax.Array, jax.Array, jax.Array]:
  """Outputs and cell states [T, H, B], the last h and c."""
  dtype = gates.dtype
  # The barrier keeps XLA from folding the transposition into every step.
  weights = lax.optimization_barrier(recurrent.astype(dtype).T)

  def step(state: tuple, inputs: tuple) -> tuple:
    h, c = state
    gates_t, keep_t = inputs
    if keep_t is not None:
      h, c = jnp.where(keep_t, h, 0), jnp.where(keep_t, c, 0)
    product = jnp.dot(weights, h, preferred_element_type=c.dtype)
    h, c, _ = lstm_cell.advance(gates_t.astype(c.dtype) + product, c, axis=0)
    h = h.astype(dtype)
    return (h, c), (h, c.astype(dtype))

  (last_h, last_c), (outputs, cells) = lax.scan(
    step, (h.astype(dtype), c), (gates, keep)
  )
  return outputs, cells, last_h.astype(h.dtype), last_c


def _backward(
  recurrent: jax.Array, gates: jax.Array, saved: tuple, cotangents: tuple
) -> tuple:
  """Gradients of `_loop`'s arguments, from its gates and what was saved."""
  h, c, outputs, cells, keep = saved
  before_h = jnp.concatenate((h[None].astype(outputs.dtype), outputs[:-1]))
  before_c = jnp.concatenate((c[None].astype(cells.dtype), cells[:-1]))
  if keep is not None:
    before_h = jnp.where(keep, before_h, 0)
    before_c = jnp.where(keep, before_c, 0)
  none = jnp.zeros(recurrent.shape[1], recurrent.dtype)
  gates = gates + lstm_hoisted.project(before_h, recurrent, none)
  before_c = before_c.astype(c.dtype)
  _, _, cell = lstm_cell.advance(gates.astype(c.dtype), before_c, axis=1)
  by_gate, into_c = lstm_cell.slopes(cell, before_c, axis=1)
  f = cell.f if keep is None else jnp.where(keep, cell.f, 0)
  rows, *flow = (part.astype(outputs.dtype) for part in (by_gate, f, into_c))
  residuals = recurrent, h, outputs, (rows, tuple(flow)), keep
  return lstm_hoisted.recurrence_backward(residuals, cotangents)


@jax.custom_vjp
def _first_layer(
  recurrent: jax.Array,
  gates: jax.Array,
  h: jax.Array,
  c: jax.Array,
  keep: jax.Array | None,
) -> tuple[jax.Array, jax.Array, jax.Array]:
  outputs, _, *last = _loop(recurrent, gates, h, c, keep)
  return outputs, *last


def _first_forward(
  recurrent: jax.Array,
  gates: jax.Array,
  h: jax.Array,
  c: jax.Array,
  keep: jax.Array | None,
) -> tuple:
  outputs, cells, *last = _loop(recurrent, gates, h, c, keep)
  return (outputs, *last), (recurrent, gates, (h, c, outputs, cells, keep))


def _first_backward(residuals: tuple, cotangents: tuple) -> tuple:
  return _backward(*residuals, cotangents)


_first_layer.defvjp(_first_forward, _first_backward)


@jax.custom_vjp
def _upper_layer(
  kernel: jax.Array,
  bias: jax.Array,
  recurrent: jax.Array,
  inputs: jax.Array,
  h: jax.Array,
  c: jax.Array,
  keep: jax.Array | None,
) -> tuple[jax.Array, jax.Array, jax.Array]:
  gates = lstm_hoisted.project(inputs, kernel, bias)
  return _first_layer(recurrent, gates, h, c, keep)


def _upper_forward(
  kernel: jax.Array,
  bias: jax.Array,
  recurrent: jax.Array,
  inputs: jax.Array,
  h: jax.Array,
  c: jax.Array,
  keep: jax.Array | None,
) -> tuple:
  gates = lstm_hoisted.project(inputs, kernel, bias)
  results, (_, _, saved) = _first_forward(recurrent, gates, h, c, keep)
  return results, (inputs, kernel, bias, recurrent, saved)


def _upper_backward(residuals: tuple, cotangents: tuple) -> tuple:
  inputs, kernel, bias, recurrent, saved = residuals
  gates = lstm_hoisted.project(inputs, kernel, bias)
  d_recurrent, d_gates, *rest = _backward(recurrent, gates, saved, cotangents)
  d_inputs, d_kernel, d_bias = lstm_hoisted.project_backward(
    (inputs, kernel, bias), d_gates
  )
  return d_kernel, d_bias, d_recurrent, d_inputs, *rest


_upper_layer.defvjp(_upper_forward, _upper_backward)
