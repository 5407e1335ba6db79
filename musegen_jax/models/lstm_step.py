"""One time step of a stack of LSTM layers, for sampling.

What limits a step of few rows is reading the weights, so each layer has arrays
of its own: cut from a stack inside a loop, they are copied at every step, which
takes three times as long.

Letters: B batch, H LSTM units, G = 4H gates (i, f, g, o), L layers.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp

from musegen_jax.models import lstm_cell
from musegen_jax.models.lstm import LSTMCarry


class Layer(NamedTuple):
  """Weights of one layer.

  Attributes:
    recurrent: [H, G].
    kernel: [H, G], from the layer below; None for the first.
    bias: [G], likewise.
  """

  recurrent: jax.Array
  kernel: jax.Array | None
  bias: jax.Array | None


def unstack(params: dict[str, jax.Array]) -> tuple[Layer, ...]:
  """The layers of what `lstm.lstm` takes."""
  first, *upper = params["recurrent"]
  rest = zip(upper, params["input"], params["bias"], strict=True)
  return (Layer(first, None, None), *(Layer(*parts) for parts in rest))


def step(
  layers: tuple[Layer, ...], gates: jax.Array, carry: LSTMCarry
) -> tuple[jax.Array, LSTMCarry]:
  """Advances all layers by one step.

  Args:
    layers: in the dtype of the products.
    gates: [B, G] projected input of the first layer, in that dtype.
    carry: the state before.

  Returns:
    the last layer's outputs [B, H] and the new state, in the carry's dtypes.
  """
  dtype, hs, cs = gates.dtype, [], []
  for layer, h, c in zip(layers, carry.h, carry.c, strict=True):
    if layer.kernel is not None:
      gates = hs[-1] @ layer.kernel + layer.bias[None]
    gates = gates + h.astype(dtype) @ layer.recurrent
    h, c, _ = lstm_cell.advance(gates.astype(c.dtype), c, axis=-1)
    hs.append(h.astype(dtype))
    cs.append(c)
  new_h = jnp.stack(hs).astype(carry.h.dtype)
  return hs[-1], LSTMCarry(new_h, jnp.stack(cs))
