"""One time step of a stack of LSTM layers, for sampling.

Each layer has arrays of its own: cut from a stack inside a loop, they are
copied at every step, which takes one piece three times as long. And rows are
kept as columns: on a CPU core [G, H] @ [H, 64] runs at 101 GFLOP/s where
[64, H] @ [H, G] runs at 82 (H = 512).

Letters: B batch, H LSTM units, G = 4H gates (i, f, g, o), L layers.
"""

from typing import NamedTuple

import jax

from musegen_jax.models import lstm_cell
from musegen_jax.models.lstm import LSTMCarry


class Matrix(NamedTuple):
  """Weights in both orders, of which a batch of one size reads but one.

  Attributes:
    plain: [H, G].
    turned: [G, H].
  """

  plain: jax.Array
  turned: jax.Array


class Layer(NamedTuple):
  """Weights of one layer.

  Attributes:
    recurrent: of its own outputs.
    kernel: of the layer below; None for the first.
    bias: [G], likewise.
  """

  recurrent: Matrix
  kernel: Matrix | None
  bias: jax.Array | None


class State(NamedTuple):
  """What an `LSTMCarry` holds, as steps want it: one array a layer, whose
  second axis is the rows'.

  Attributes:
    h: L arrays [H, B], hidden states.
    c: L arrays [H, B], cell states.
  """

  h: tuple[jax.Array, ...]
  c: tuple[jax.Array, ...]


def unstack(params: dict[str, jax.Array]) -> tuple[Layer, ...]:
  """The layers of what `lstm.lstm` takes."""
  first, *upper = (Matrix(w, w.T) for w in params["recurrent"])
  kernels = (Matrix(w, w.T) for w in params["input"])
  rest = zip(upper, kernels, params["bias"], strict=True)
  return (Layer(first, None, None), *(Layer(*parts) for parts in rest))


def begin(carry: LSTMCarry) -> State:
  """The state that a carry [L, B, H] stands for."""
  return State(*(tuple(layer.T for layer in part) for part in carry))


def step(
  layers: tuple[Layer, ...], gates: jax.Array, state: State
) -> tuple[jax.Array, State]:
  """Advances all layers by one step.

  Args:
    layers: in the dtype of the products.
    gates: [B, G] projected input of the first layer, in that dtype.
    state: the state before.

  Returns:
    the last layer's outputs [B, H] and the new state, in the old one's dtypes.
  """
  dtype, hs, cs = gates.dtype, [], []
  below, gates = None, gates.T
  for layer, h, c in zip(layers, *state, strict=True):
    if below is not None:
      gates = _times(layer.kernel, below) + layer.bias[:, None]
    gates = gates + _times(layer.recurrent, h.astype(dtype))
    new_h, c, _ = lstm_cell.advance(gates.astype(c.dtype), c, axis=0)
    below = new_h.astype(dtype)
    hs.append(below.astype(h.dtype))
    cs.append(c)
  return below.T, State(tuple(hs), tuple(cs))


def _times(matrix: Matrix, columns: jax.Array) -> jax.Array:
  # XLA's products with one vector are faster the other way round.
  if columns.shape[1] == 1:
    return (columns.T @ matrix.plain).T
  return matrix.turned @ columns
