"""Random inputs of the LSTM, and what its tests compare."""

import functools

import jax
import jax.numpy as jnp
import numpy as np

from musegen_jax.models import lstm

run = jax.jit(lstm.lstm, static_argnames="implementation")


def make_inputs(
  layers: int, steps: int, batch: int, hidden_size: int, dtype: str
) -> tuple:
  """Random (params, gates_in, carry) and the other arguments by name."""
  rng = np.random.default_rng(0)

  def draw(*shape: int) -> jax.Array:
    return jnp.asarray(rng.normal(size=shape).astype("float32"), dtype)

  gates = 4 * hidden_size
  params = {
    "recurrent": draw(layers, hidden_size, gates),
    "input": draw(layers - 1, hidden_size, gates),
    "bias": draw(layers - 1, gates),
  }
  state = (layers, batch, hidden_size)
  carry = lstm.LSTMCarry(draw(*state), draw(*state))
  extras = {
    "reset": jnp.asarray(rng.random((steps, batch)) < 0.3),
    "output_masks": draw(layers, steps, batch, hidden_size),
  }
  return (params, draw(steps, batch, gates), carry), extras


def weigh(tree: tuple) -> jax.Array:
  """A scalar that depends differently on every entry of every array."""
  return sum(
    (leaf * jnp.cos(jnp.arange(leaf.size)).reshape(leaf.shape)).sum()
    for leaf in jax.tree.leaves(tree)
  )


@functools.partial(jax.jit, static_argnames="implementation")
def values_and_gradients(
  inputs: tuple, reset: jax.Array, output_masks: jax.Array, implementation: str
) -> tuple:
  """Results, and gradients with respect to inputs and masks."""

  def loss(inputs: tuple, masks: jax.Array) -> tuple:
    result = lstm.lstm(
      *inputs, reset=reset, output_masks=masks, implementation=implementation
    )
    return weigh(result), result

  argnums = (0,) if output_masks is None else (0, 1)
  gradients, result = jax.grad(loss, argnums, has_aux=True)(
    inputs, output_masks
  )
  return result, gradients


def assert_close(actual: tuple, expected: tuple, tolerance: float) -> None:
  """Every array agrees relative to its norm."""

  def check(path: tuple, actual: jax.Array, expected: jax.Array) -> None:
    expected = np.asarray(expected, np.float64)
    error = np.linalg.norm(np.asarray(actual, np.float64) - expected)
    limit = tolerance * np.linalg.norm(expected)
    assert error <= limit, jax.tree_util.keystr(path)

  jax.tree_util.tree_map_with_path(check, actual, expected)
