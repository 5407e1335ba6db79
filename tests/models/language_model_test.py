"""The network: causal, and step by step what it is in one go."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from musegen_jax.models import language_model, lstm


def make(
  layers: int = 2, dtype: str = "float32"
) -> tuple[language_model.LanguageModel, dict]:
  model = language_model.LanguageModel(11, 6, 8, layers, dtype)
  tokens = jnp.zeros((1, 1), jnp.int32)
  params = model.init(jax.random.key(0), tokens, model.zero_carry(1))["params"]
  # Random biases too, so that nothing hides behind zeros.
  keys = iter(jax.random.split(jax.random.key(1), 20))
  params = jax.tree.map(
    lambda a: a + 0.1 * jax.random.normal(next(keys), a.shape), params
  )
  return model, params


TOKENS = np.random.default_rng(0).integers(0, 11, (3, 9)).astype(np.int32)


@pytest.mark.parametrize("layers", [1, 2, 3])
def test_stepwise_logits_equal_the_full_sequence(layers: int) -> None:
  model, params = make(layers)
  logits, carry, _ = model.apply(
    {"params": params}, TOKENS, model.zero_carry(3)
  )
  ready = language_model.step_params(params, "float32")
  state = model.zero_carry(3)
  for t in range(TOKENS.shape[1]):
    one, state = language_model.step(ready, TOKENS[:, t], state)
    np.testing.assert_allclose(one, logits[:, t], atol=1e-5)
  for a, b in zip(state, carry, strict=True):
    np.testing.assert_allclose(a, b, atol=1e-5)


def test_carry_joins_windows_and_reset_parts_them() -> None:
  model, params = make()
  apply = jax.tree_util.Partial(model.apply, {"params": params})
  whole, _, _ = apply(TOKENS, model.zero_carry(3))
  _, carry, _ = apply(TOKENS[:, :4], model.zero_carry(3))
  second, _, _ = apply(TOKENS[:, 4:], carry)
  np.testing.assert_allclose(second, whole[:, 4:], atol=1e-5)
  reset = np.zeros(TOKENS.shape, bool)
  reset[:, 4] = True
  parted, _, _ = apply(TOKENS, model.zero_carry(3), reset=reset)
  fresh, _, _ = apply(TOKENS[:, 4:], model.zero_carry(3))
  np.testing.assert_allclose(parted[:, 4:], fresh, atol=1e-5)


def test_causal() -> None:
  model, params = make()
  changed = TOKENS.copy()
  changed[:, 5] = (changed[:, 5] + 1) % 11
  a, _, _ = model.apply({"params": params}, TOKENS, model.zero_carry(3))
  b, _, _ = model.apply({"params": params}, changed, model.zero_carry(3))
  np.testing.assert_array_equal(a[:, :5], b[:, :5])
  assert (np.asarray(a[:, 5:]) != np.asarray(b[:, 5:])).any(axis=2).all()


def test_bfloat16_stays_near_float32() -> None:
  model, params = make()
  half, _ = make(dtype="bfloat16")
  a, carry, _ = model.apply({"params": params}, TOKENS, model.zero_carry(3))
  b, half_carry, _ = half.apply({"params": params}, TOKENS, half.zero_carry(3))
  assert b.dtype == jnp.float32 and half_carry.c.dtype == jnp.float32
  np.testing.assert_allclose(a, b, atol=0.1)
  assert isinstance(carry, lstm.LSTMCarry)


def test_parameters_start_as_promised() -> None:
  model = language_model.LanguageModel(11, 6, 8, 3)
  tokens = jnp.zeros((1, 1), jnp.int32)
  params = model.init(jax.random.key(0), tokens, model.zero_carry(1))["params"]
  for kernel in params["recurrent"]:
    np.testing.assert_allclose(kernel @ kernel.T, np.eye(8), atol=1e-5)
  for bias in (params["bias"], *params["input_bias"]):
    np.testing.assert_array_equal(bias.reshape(4, 8).T, [[0, 1, 0, 0]] * 8)
