"""The fast LSTM against the textbook one, and both against torch."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import test_util

from musegen_jax.models import lstm

# layers, steps, batch, hidden units
SIZES = [(1, 1, 1, 1), (1, 5, 3, 4), (2, 7, 1, 5), (3, 6, 2, 3), (2, 1, 4, 8)]


def make_inputs(
  layers: int, steps: int, batch: int, hidden_size: int, dtype: str
) -> tuple:
  """Random (params, gates_in, carry) and the other arguments by name."""
  rng = np.random.default_rng(0)

  def draw(*shape: int) -> jax.Array:
    return jnp.asarray(rng.normal(size=shape), dtype)

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


@pytest.mark.parametrize("extras", [(), ("reset",), ("reset", "output_masks")])
@pytest.mark.parametrize("size", SIZES)
def test_hoisted_equals_scan(size: tuple, extras: tuple) -> None:
  for dtype, tolerance in (("float64", 1e-10), ("float32", 1e-6)):
    with jax.enable_x64(dtype == "float64"):
      inputs, options = make_inputs(*size, dtype)
      options = {
        name: value if name in extras else None
        for name, value in options.items()
      }
      expected = values_and_gradients(inputs, **options, implementation="scan")
      actual = values_and_gradients(inputs, **options, implementation="auto")
      assert actual[0][0].dtype == dtype
      assert_close(actual, expected, tolerance)


def test_value_without_gradient_is_the_same() -> None:
  inputs, extras = make_inputs(2, 5, 3, 4, "float32")
  expected, _ = values_and_gradients(
    inputs, **extras, implementation="hoisted"
  )
  assert_close(lstm.lstm(*inputs, **extras), expected, 1e-6)


def test_gradients_equal_finite_differences() -> None:
  with jax.enable_x64(True):
    inputs, extras = make_inputs(2, 4, 2, 3, "float64")

    def loss(inputs: tuple, masks: jax.Array) -> jax.Array:
      return weigh(
        lstm.lstm(*inputs, reset=extras["reset"], output_masks=masks)
      )

    test_util.check_grads(
      loss, (inputs, extras["output_masks"]), order=1, modes=["rev"]
    )


@pytest.mark.parametrize("layers", [1, 3])
@pytest.mark.parametrize("implementation", ["scan", "hoisted"])
def test_equals_torch(layers: int, implementation: str) -> None:
  torch = pytest.importorskip("torch")
  width, hidden_size, steps, batch = 5, 6, 7, 3
  torch.manual_seed(0)
  model = torch.nn.LSTM(width, hidden_size, layers)
  inputs = torch.randn(steps, batch, width, requires_grad=True)
  h, c = (
    torch.randn(layers, batch, hidden_size, requires_grad=True)
    for _ in range(2)
  )

  def array(tensor: object) -> np.ndarray:
    return tensor.detach().numpy()

  def stack(arrays: list, *shape: int) -> np.ndarray:
    return np.stack(arrays) if arrays else np.zeros((0, *shape), np.float32)

  def ours(read: object) -> tuple:
    """Torch's parameters, or their gradients, in our layout."""
    take = lambda name, layer: read(getattr(model, f"{name}_l{layer}"))  # noqa
    upper = range(1, layers)
    return (
      take("weight_ih", 0).T,
      {
        "recurrent": stack([take("weight_hh", i).T for i in range(layers)]),
        "input": stack(
          [take("weight_ih", i).T for i in upper], hidden_size, 4 * hidden_size
        ),
        "bias": stack([take("bias_ih", i) for i in upper], 4 * hidden_size),
      },
    )

  def loss(params: tuple, inputs: jax.Array, carry: lstm.LSTMCarry) -> tuple:
    kernel, stacked = params
    gates_in = lstm.input_gates(inputs, kernel, jnp.zeros(4 * hidden_size))
    result = lstm.lstm(
      stacked, gates_in, carry, implementation=implementation
    )
    return weigh(result), result
