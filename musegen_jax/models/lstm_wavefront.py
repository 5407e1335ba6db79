"""The LSTM along diagonals: all layers advance together, each a step later.

On diagonal s, layer l works on time step s - l. What it needs, its own outputs
of a step before and those of the layer below, was made on diagonal s - 1, so
one batched product serves all layers: T + L - 1 rounds take the place of T*L.
This pays where a round is too small to fill the machine. As in `lstm_hoisted`,
the forward loop saves the slopes the backward loop needs, and weight gradients
are large products after the loop.

Letters: S = T + L - 1 diagonals, T time step, B batch, H LSTM units, G = 4H
gates (i, f, g, o), L layers. "Skewed" arrays [S, L, ...] hold on row s what
layer l has at time s - l; on the corners, where that is no time step, a layer
rests: it keeps its state and takes no gradient.
"""

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from musegen_jax.models import lstm_cell


def run(
  params: dict[str, jax.Array],
  gates_in: jax.Array,
  carry: tuple[jax.Array, jax.Array],
  reset: jax.Array | None,
  output_masks: jax.Array | None,
) -> tuple[jax.Array, tuple[jax.Array, jax.Array]]:
  """Runs all layers at once; the contract is that of `lstm.lstm`."""
  layers, steps = len(params["recurrent"]), len(gates_in)
  times = _times(steps, layers)
  keep = masks = None
  if reset is not None:
    keep = ~reset[times.clip(0, steps - 1), :, None]  # [S, L, B, 1]
  if output_masks is not None and layers > 1:
    # Row s holds the factors on what the layers above hear on diagonal s.
    heard = times[:, 1:].clip(0, steps - 1)
    masks = output_masks[np.arange(layers - 1)[None], heard]
    masks = masks.astype(gates_in.dtype)
  outputs, *last = _diagonals(params, gates_in, *carry, keep, masks)
  if output_masks is not None:
    outputs = outputs * output_masks[-1].astype(outputs.dtype)
  return outputs, tuple(last)


def _times(steps: int, layers: int) -> np.ndarray:
  """[S, L]: the time step of each layer on each diagonal."""
  return np.arange(steps + layers - 1)[:, None] - np.arange(layers)[None]


def _active(steps: int, layers: int) -> np.ndarray:
  """[S, L, 1, 1]: which layers work on a diagonal, the others rest."""
  times = _times(steps, layers)
  return ((times >= 0) & (times < steps))[:, :, None, None]


def _operands(
  h: jax.Array,
  active: jax.Array,
  keep: jax.Array | None,
  masks: jax.Array | None,
) -> jax.Array:
  """What meets the weights: the layers' own last outputs [..., L, B, H], then
  those from below, [..., L-1, B, H], in one array."""
  own = h if keep is None else jnp.where(keep, h, 0)
  # A layer below that starts by dropping its state, even one of NaN, shows it
  # while the one above rests; zeros keep it out of the weight gradients.
  below = jnp.where(active[..., 1:, :, :], h[..., :-1, :, :], 0)
  if masks is not None:
    below *= masks
  return jnp.concatenate((own, below), axis=-3)


def _stack_weights(params: dict[str, jax.Array], dtype: jnp.dtype) -> jax.Array:
  """[2L-1, H, G]: recurrent weights, then those from below."""
  weights = jnp.concatenate((params["recurrent"], params["input"]))
  return weights.astype(dtype)


def _multiply(left: jax.Array, right: jax.Array) -> jax.Array:
  """[N, B, M] and [N, M, K] -> [N, B, K], summed in float32."""
  accumulate = jnp.promote_types(left.dtype, jnp.float32)
  return jnp.matmul(left, right, preferred_element_type=accumulate)


@jax.custom_vjp
def _diagonals(
  params: dict[str, jax.Array],
  gates_in: jax.Array,
  h: jax.Array,
  c: jax.Array,
  keep: jax.Array | None,
  masks: jax.Array | None,
) -> tuple[jax.Array, jax.Array, jax.Array]:
  """All layers, with keep [S, L, B, 1] and masks [S, L-1, B, H] skewed; the
  factors on the last layer's outputs are left to the caller."""
  outputs, last, _ = _forward_loop(
    params, gates_in, h, c, keep, masks, save_slopes=False
  )
  return outputs[len(h) - 1 :], *last


def _forward_loop(
  params: dict[str, jax.Array],
  gates_in: jax.Array,
  h: jax.Array,
  c: jax.Array,
  keep: jax.Array | None,
  masks: jax.Array | None,
  *,
  save_slopes: bool,
) -> tuple[jax.Array, tuple, tuple | None]:
  """Outputs, all layers' [S, L, B, H] with slopes, else the last one's."""
  (steps, dtype), layers = (len(gates_in), gates_in.dtype), len(h)
  weights = _stack_weights(params, dtype)
  bias = params["bias"][:, None, :].astype(c.dtype)

  def step(state: tuple, inputs: tuple) -> tuple:
    h, c = state
    s, active, keep_s, masks_s = inputs
    products = _multiply(_operands(h, active, keep_s, masks_s), weights)
    # Past the last step the first layer rests, so any row will do.
    first = lax.dynamic_index_in_dim(gates_in, jnp.minimum(s, steps - 1))
    gates = products[:layers] + jnp.concatenate(
      (first.astype(c.dtype), products[layers:] + bias)
    )
    old_c = c if keep_s is None else jnp.where(keep_s, c, 0)
    new_h, new_c, cell = lstm_cell.advance(gates, old_c, axis=-1)
    new_h = new_h.astype(dtype)
    state = jnp.where(active, new_h, h), jnp.where(active, new_c, c)
    if not save_slopes:
      return state, (state[0][-1], None)
    by_gate, into_c = lstm_cell.slopes(cell, old_c, axis=-1)
    f = cell.f if keep_s is None else jnp.where(keep_s, cell.f, 0)
    slopes = (by_gate, f, into_c)
    return state, (state[0], tuple(slope.astype(dtype) for slope in slopes))

  diagonals = jnp.arange(steps + layers - 1)
  active = jnp.asarray(_active(steps, layers))
  (last_h, last_c), (outputs, slopes) = lax.scan(
    step, (h.astype(dtype), c), (diagonals, active, keep, masks)
  )
  return outputs, (last_h.astype(h.dtype), last_c), slopes


def _diagonals_forward(
  params: dict[str, jax.Array],
  gates_in: jax.Array,
  h: jax.Array,
  c: jax.Array,
  keep: jax.Array | None,
  masks: jax.Array | None,
) -> tuple:
  outputs, last, slopes = _forward_loop(
    params, gates_in, h, c, keep, masks, save_slopes=True
  )
  residuals = (params, h, outputs, slopes, keep, masks)
  return (outputs[len(h) - 1 :, -1], *last), residuals


def _diagonals_backward(residuals: tuple, cotangents: tuple) -> tuple:
  params, first_h, outputs, slopes, keep, masks = residuals
  d_outputs, d_h, d_c = cotangents
  steps, layers, dtype = len(d_outputs), len(first_h), outputs.dtype
  active = jnp.asarray(_active(steps, layers))
  # The barrier keeps XLA from folding the transposition into every step.
  weights = lax.optimization_barrier(
    jnp.swapaxes(_stack_weights(params, dtype), 1, 2)
  )

  def step(state: tuple, inputs: tuple) -> tuple:
    d_h, d_c = state
    d_output, (by_gate, f, into_c), active, keep_s, masks_s = inputs
    d_h = d_h.at[-1].add(d_output.astype(d_h.dtype))
    through_c = d_c + d_h * into_c.astype(d_c.dtype)
    d_gates = lstm_cell.gate_gradients(
      by_gate.astype(d_c.dtype), d_h, through_c, axis=-1
    )
    d_gates = jnp.where(active, d_gates, 0).astype(dtype)
    products = _multiply(
      jnp.concatenate((d_gates, d_gates[1:])), weights
    ).astype(d_h.dtype)
    own, below = products[:layers], products[layers:]
    if keep_s is not None:
      own = jnp.where(keep_s, own, 0)
    if masks_s is not None:
      below *= masks_s.astype(below.dtype)
    d_h = jnp.where(active, own, d_h).at[:-1].add(below)
    d_c = jnp.where(active, through_c * f.astype(d_c.dtype), d_c)
    return (d_h, d_c), d_gates

  # The last layer starts on diagonal L - 1.
  d_outputs = jnp.pad(d_outputs, ((layers - 1, 0), (0, 0), (0, 0)))
  (d_h, d_c), d_gates = lax.scan(
    step, (d_h, d_c), (d_outputs, slopes, active, keep, masks), reverse=True
  )
  before = jnp.concatenate((first_h[None].astype(dtype), outputs[:-1]))
  d_params = _weight_gradients(
    params, _operands(before, active, keep, masks), d_gates
  )
  d_masks = None
  if masks is not None:
    # As a rule nobody asks for it and XLA drops it.
    heard = _operands(before, active, None, None)[:, layers:]
    d_masks = heard * jnp.matmul(d_gates[:, 1:], weights[None, layers:])
  return d_params, d_gates[:steps, 0], d_h, d_c, None, d_masks


_diagonals.defvjp(_diagonals_forward, _diagonals_backward)


def _weight_gradients(
  params: dict[str, jax.Array], operands: jax.Array, d_gates: jax.Array
) -> dict[str, jax.Array]:
  """From [S, 2L-1, B, H] and [S, L, B, G], summed over S and B in float32."""
  layers = d_gates.shape[1]
  accumulate = jnp.promote_types(d_gates.dtype, jnp.float32)
  d_above = d_gates[:, 1:]

  def sum_outer(left: jax.Array, right: jax.Array) -> jax.Array:
    dimensions = (((0, 2), (0, 2)), ((1,), (1,)))
    return lax.dot_general(
      left, right, dimensions, preferred_element_type=accumulate
    )

  gradients = {
    "recurrent": sum_outer(operands[:, :layers], d_gates),
    "input": sum_outer(operands[:, layers:], d_above),
    "bias": d_above.sum((0, 2), dtype=accumulate),
  }
  return {
    name: gradient.astype(params[name].dtype)
    for name, gradient in gradients.items()
  }
