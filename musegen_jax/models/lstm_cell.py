"""One step of LSTM units and its derivatives, for whatever loops over steps.

Letters: H LSTM units, G = 4H gates in the order i, f, g, o. Arrays are of any
shape; `axis` is that of gates and units.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp


class Cell(NamedTuple):
  """A step's values, all of one shape.

  Attributes:
    i: input gate, in 0..1.
    f: forget gate, in 0..1.
    g: what is offered to the cell state, in -1..1.
    o: output gate, in 0..1.
    tanh_c: of the new cell state.
  """

  i: jax.Array
  f: jax.Array
  g: jax.Array
  o: jax.Array
  tanh_c: jax.Array


def advance(
  gates: jax.Array, c: jax.Array, axis: int
) -> tuple[jax.Array, jax.Array, Cell]:
  """Gates before activation (G along `axis`) and cell states (H) -> outputs,
  new cell states and the step's values."""
  return advance_gates(*jnp.split(gates, 4, axis), c)


def advance_gates(
  i: jax.Array, f: jax.Array, g: jax.Array, o: jax.Array, c: jax.Array
) -> tuple[jax.Array, jax.Array, Cell]:
  """`advance` where the gates come one by one, each of H."""
  i, f, o = jax.nn.sigmoid(i), jax.nn.sigmoid(f), jax.nn.sigmoid(o)
  g = jnp.tanh(g)
  c = f * c + i * g
  tanh_c = jnp.tanh(c)
  return o * tanh_c, c, Cell(i, f, g, o, tanh_c)


def slopes(
  cell: Cell, old_c: jax.Array, axis: int
) -> tuple[jax.Array, jax.Array]:
  """All of the gradient that does not wait for later steps.

  Returns:
    the gates' slopes (G along `axis`): i, f and g times the gradient of the new
    cell state, o times that of the output, give the gradient of the gates; and
    the cell state's (H), which times the output's gradient flows into c.
  """
  by_gate, into_c = gate_slopes(cell, old_c)
  return jnp.concatenate(by_gate, axis), into_c


def gate_slopes(
  cell: Cell, old_c: jax.Array
) -> tuple[tuple[jax.Array, ...], jax.Array]:
  """`slopes` with the gates' one by one, each of H."""
  i, f, g, o, tanh_c = cell
  by_gate = (
    g * i * (1 - i),
    old_c * f * (1 - f),
    i * (1 - g * g),
    tanh_c * o * (1 - o),
  )
  return by_gate, o * (1 - tanh_c * tanh_c)


def gate_gradients(
  by_gate: jax.Array, d_h: jax.Array, d_c: jax.Array, axis: int
) -> jax.Array:
  """Gradients of the gates from their slopes and the gradients of output and
  new cell state; see `slopes`."""
  parts = scale_slopes(*jnp.split(by_gate, 4, axis), d_h, d_c)
  return jnp.concatenate(parts, axis)


def scale_slopes(
  i: jax.Array,
  f: jax.Array,
  g: jax.Array,
  o: jax.Array,
  d_h: jax.Array,
  d_c: jax.Array,
) -> tuple[jax.Array, ...]:
  """`gate_gradients` from and to the gates' one by one, each of H."""
  return d_c * i, d_c * f, d_c * g, d_h * o
