"""The LSTM as the textbook writes it: one scan, gradients by autodiff.

Slow, short and easy to check by eye. Every other implementation is tested
against this one.
"""

import jax
import jax.numpy as jnp
from jax import lax


def run(
  params: dict[str, jax.Array],
  gates_in: jax.Array,
  carry: tuple[jax.Array, jax.Array],
  reset: jax.Array | None,
  output_masks: jax.Array | None,
) -> tuple[jax.Array, tuple[jax.Array, jax.Array]]:
  """Runs all layers step by step; the contract is that of `lstm.lstm`."""
  dtype = gates_in.dtype
  if output_masks is not None:
    output_masks = jnp.swapaxes(output_masks, 0, 1)  # [T, L, B, H]

  def step(carry: tuple, inputs: tuple) -> tuple:
    h, c = carry
    gates_t, reset_t, masks_t = inputs
    if reset_t is not None:
      h = jnp.where(reset_t[None, :, None], 0, h)
      c = jnp.where(reset_t[None, :, None], 0, c)
    new_h, new_c = [], []
    for layer, recurrent in enumerate(params["recurrent"]):
      h_in = h[layer].astype(dtype)
      gates = (gates_t + h_in @ recurrent.astype(dtype)).astype(c.dtype)
      i, f, g, o = jnp.split(gates, 4, axis=-1)
      new_c.append(
        jax.nn.sigmoid(f) * c[layer] + jax.nn.sigmoid(i) * jnp.tanh(g)
      )
      outputs = (jax.nn.sigmoid(o) * jnp.tanh(new_c[-1])).astype(dtype)
      new_h.append(outputs.astype(h.dtype))
      if masks_t is not None:
        outputs = outputs * masks_t[layer].astype(dtype)
      if layer < len(params["input"]):
        kernel = params["input"][layer].astype(dtype)
        bias = params["bias"][layer].astype(dtype)
        gates_t = outputs @ kernel + bias[None]
    return (jnp.stack(new_h), jnp.stack(new_c)), outputs

  carry, outputs = lax.scan(step, carry, (gates_in, reset, output_masks))
  return outputs, carry
