"""The fast LSTM against the textbook one, and both against torch."""

import functools
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import test_util

from musegen_jax.models import lstm
from tests.models.lstm_cases import (
  assert_close,
  make_inputs,
  run,
  values_and_gradients,
  weigh,
)

# (layers, steps, batch, hidden units), arguments beside the inputs
CASES = [
  ((1, 1, 1, 1), ()),
  ((1, 6, 3, 4), ("reset",)),
  ((2, 7, 1, 5), ("output_masks",)),
  ((3, 5, 2, 3), ("reset", "output_masks")),
]


@pytest.mark.parametrize(("size", "extras"), CASES)
def test_hoisted_equals_scan(size: tuple, extras: tuple) -> None:
  with jax.enable_x64(True):
    inputs, options = make_inputs(*size, "float64")
    options |= {name: None for name in options if name not in extras}
    expected = values_and_gradients(inputs, **options, implementation="scan")
    actual = values_and_gradients(inputs, **options, implementation="hoisted")
    assert_close(actual, expected, 1e-10)
  inputs, options = jax.tree.map(
    lambda array: array if array.dtype == bool else array.astype("float32"),
    (inputs, options),
  )
  actual = values_and_gradients(inputs, **options, implementation="hoisted")
  assert actual[0][0].dtype == "float32"
  assert_close(actual, expected, 1e-6)


def test_value_without_gradient_is_the_same() -> None:
  inputs, extras = make_inputs(2, 5, 3, 4, "float32")
  expected = run(*inputs, **extras, implementation="scan")
  assert_close(run(*inputs, **extras), expected, 1e-6)


def test_gradients_equal_finite_differences() -> None:
  with jax.enable_x64(True):
    inputs, extras = make_inputs(2, 3, 2, 2, "float64")

    @jax.jit
    def loss(inputs: tuple, masks: jax.Array) -> jax.Array:
      return weigh(
        lstm.lstm(*inputs, reset=extras["reset"], output_masks=masks)
      )

    test_util.check_grads(
      loss, (inputs, extras["output_masks"]), order=1, modes=["rev"]
    )


def from_torch(model: Any, read: Callable[[Any], Any]) -> tuple:
  """(kernel, bias, params) of our layout, from `read(tensor)` of torch's."""

  def take(name: str) -> list[np.ndarray]:
    tensors = (
      getattr(model, f"{name}_l{layer}") for layer in range(model.num_layers)
    )
    return [read(tensor).numpy().T for tensor in tensors]

  kernels, biases = take("weight_ih"), take("bias_ih")
  params = {
    "recurrent": np.stack(take("weight_hh")),
    "input": np.stack(kernels[1:]),
    "bias": np.stack(biases[1:]),
  }
  return kernels[0], biases[0], params


def test_equals_torch() -> None:
  torch = pytest.importorskip("torch")
  torch.manual_seed(0)
  model = torch.nn.LSTM(5, 6, num_layers=3)
  for layer in range(3):  # torch has two biases, we have their sum
    torch.nn.init.zeros_(getattr(model, f"bias_hh_l{layer}"))
  shapes = ((7, 2, 5), (3, 2, 6), (3, 2, 6))  # inputs, h, c
  leaves = [torch.randn(shape, requires_grad=True) for shape in shapes]
  outputs, (h, c) = model(leaves[0], tuple(leaves[1:]))
  results = (outputs, h, c)
  factors = [torch.randn_like(result) for result in results]
  sum((r * f).sum() for r, f in zip(results, factors, strict=True)).backward()

  def loss(
    weights: tuple, inputs: jax.Array, h: jax.Array, c: jax.Array
  ) -> Any:
    kernel, bias, params = weights
    gates_in = lstm.input_gates(inputs, kernel, bias)
    outputs, carry = lstm.lstm(params, gates_in, lstm.LSTMCarry(h, c))
    results = (outputs, *carry)
    pairs = zip(results, factors, strict=True)
    return sum((r * f.numpy()).sum() for r, f in pairs), results

  arrays = [jnp.asarray(leaf.detach().numpy()) for leaf in leaves]
  weights = jax.tree.map(jnp.asarray, from_torch(model, lambda t: t.detach()))
  step = jax.jit(jax.grad(loss, (0, 1, 2, 3), has_aux=True))
  gradients, actual = step(weights, *arrays)
  expected = tuple(result.detach().numpy() for result in results)
  assert_close(actual, expected, 1e-6)
  expected = (
    from_torch(model, lambda tensor: tensor.grad),
    *(leaf.grad.numpy() for leaf in leaves),
  )
  assert_close(gradients, expected, 2e-6)


def test_gates_of_tokens_and_inputs_equal_projected_embeddings() -> None:
  with jax.enable_x64(True):
    rng = np.random.default_rng(0)
    weights = tuple(
      jnp.asarray(rng.normal(size=shape)) for shape in ((9, 4), (4, 8), (8,))
    )
    tokens = jnp.asarray(rng.integers(0, 9, (6, 5)))  # many repeat

    def looked_up(weights: tuple) -> jax.Array:
      return lstm.embedding_gates(*weights, tokens)

    def projected(weights: tuple) -> jax.Array:
      embedding, kernel, bias = weights
      return embedding[tokens] @ kernel + bias[None, None]

    def multiplied(weights: tuple) -> jax.Array:
      embedding, kernel, bias = weights
      return lstm.input_gates(embedding[tokens], kernel, bias)

    @functools.partial(jax.jit, static_argnums=0)
    def both(gates: Callable, weights: tuple) -> tuple:
      return gates(weights), jax.grad(lambda w: weigh(gates(w)))(weights)

    expected = both(projected, weights)
    assert_close(both(looked_up, weights), expected, 1e-12)
    assert_close(both(multiplied, weights), expected, 1e-12)


def test_bfloat16_stays_close_to_float32() -> None:
  (params, gates_in, carry), extras = make_inputs(2, 12, 4, 32, "float32")
  params = jax.tree.map(lambda array: array * 0.2, params)
  exact = (params, gates_in.astype("bfloat16").astype("float32"), carry)
  rough = (params, gates_in.astype("bfloat16"), carry)
  extras["output_masks"] = None
  expected = values_and_gradients(exact, **extras, implementation="scan")
  actual = values_and_gradients(rough, **extras, implementation="hoisted")
  outputs, last = actual[0]
  assert (outputs.dtype, last.c.dtype) == ("bfloat16", "float32")
  assert actual[1][0][0]["recurrent"].dtype == "float32"
  assert_close(actual, expected, 1e-2)


def test_windows_in_a_row_equal_one_long_window() -> None:
  (params, gates_in, carry), extras = make_inputs(2, 8, 3, 4, "float32")
  reset = extras["reset"]
  expected = run(params, gates_in, carry, reset=reset)
  first, between = run(params, gates_in[:4], carry, reset=reset[:4])
  second, last = run(params, gates_in[4:], between, reset=reset[4:])
  assert_close((jnp.concatenate((first, second)), last), expected, 1e-6)


@pytest.mark.parametrize("implementation", ["scan", "hoisted", "wavefront"])
def test_reset_equals_starting_anew(implementation: str) -> None:
  (params, gates_in, carry), _ = make_inputs(2, 8, 3, 4, "float32")
  carry = jax.tree.map(lambda state: jnp.full_like(state, jnp.nan), carry)
  reset = jnp.zeros((8, 3), bool).at[4].set(True)
  outputs, last = run(
    params, gates_in, carry, reset=reset, implementation=implementation
  )
  assert jnp.isnan(outputs[:4]).all()  # the state of before is not a number
  anew = run(params, gates_in[4:], lstm.initial_carry(2, 3, 4))
  assert_close((outputs[4:], last), anew, 1e-6)


def test_wrong_arguments_are_named() -> None:
  (params, gates_in, carry), extras = make_inputs(2, 3, 2, 4, "float32")
  with pytest.raises(ValueError, match="'magic'.*auto, scan, hoisted"):
    lstm.lstm(params, gates_in, carry, implementation="magic")
  with pytest.raises(ValueError, match=r"reset has shape \(2, 3\)"):
    lstm.lstm(params, gates_in, carry, reset=extras["reset"].T)
  with pytest.raises(ValueError, match=r"carry.h .* expected \(2, 2, 4\)"):
    lstm.lstm(params, gates_in, lstm.initial_carry(1, 2, 4))


def test_a_context_for_every_step_has_the_gradient_of_a_plain_sum() -> None:
  rng = np.random.default_rng(0)
  gates = jnp.asarray(rng.normal(size=(7, 3, 8)), jnp.float32)
  context = jnp.asarray(rng.normal(size=(3, 8)), jnp.float32)
  weights = jnp.asarray(rng.normal(size=(7, 3, 8)), jnp.float32)

  def loss(add: Callable, *inputs: jax.Array) -> jax.Array:
    return (jnp.tanh(add(*inputs)) * weights).sum()

  def plain(gates: jax.Array, context: jax.Array) -> jax.Array:
    return gates + context[None]

  found, expected = (
    jax.value_and_grad(functools.partial(loss, add), (0, 1))(gates, context)
    for add in (lstm.add_to_steps, plain)
  )
  for a, b in zip(
    jax.tree.leaves(found), jax.tree.leaves(expected), strict=True
  ):
    np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6)
