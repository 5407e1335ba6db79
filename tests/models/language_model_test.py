"""The network: causal, and step by step what it is in one go."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from musegen_jax.models import language_model, lstm, lstm_step


def make(
  layers: int = 2, dtype: str = "float32", cycle: int = 0
) -> tuple[language_model.LanguageModel, dict]:
  model = language_model.LanguageModel(11, 6, 8, layers, dtype, cycle)
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
  state = lstm_step.begin(model.zero_carry(3))
  for t in range(TOKENS.shape[1]):
    one, state = language_model.step(ready, TOKENS[:, t], state)
    np.testing.assert_allclose(one, logits[:, t], atol=1e-5)
  for a, b in zip(state, lstm_step.begin(carry), strict=True):
    np.testing.assert_allclose(np.stack(a), np.stack(b), atol=1e-5)


def in_words(params: dict, position: np.ndarray) -> np.ndarray:
  """Logits [B, T, V] of one layer whose gates hear token and place, by a plain
  loop in float64."""
  h = c = np.zeros((len(TOKENS), 8))
  found = []
  for t in range(TOKENS.shape[1]):
    heard = params["embedding"][TOKENS[:, t]] @ params["kernel"]
    heard = heard + params["position"][position[:, t] % 4] + params["bias"]
    i, f, g, o = np.split(heard + h @ params["recurrent"][0], 4, axis=1)
    c = c / (1 + np.exp(-f)) + np.tanh(g) / (1 + np.exp(-i))
    h = np.tanh(c) / (1 + np.exp(-o))
    found.append(h @ params["head"] + params["head_bias"])
  return np.stack(found, 1)


def test_places_are_heard() -> None:
  model, params = make(layers=1, cycle=4)
  position = np.random.default_rng(1).integers(0, 99, TOKENS.shape)
  carry = model.zero_carry(3)
  logits, _, _ = model.apply(
    {"params": params}, TOKENS, carry, position=position
  )
  plain = jax.tree.map(lambda a: np.asarray(a, np.float64), params)
  np.testing.assert_allclose(logits, in_words(plain, position), atol=1e-5)
  # By default those of the beginning of a piece.
  first = np.broadcast_to(np.arange(TOKENS.shape[1]), TOKENS.shape)
  logits, _, _ = model.apply({"params": params}, TOKENS, carry)
  np.testing.assert_allclose(logits, in_words(plain, first), atol=1e-5)


def test_a_place_has_a_gradient_where_it_was_heard() -> None:
  model, params = make(layers=1, cycle=4)
  position = np.broadcast_to(np.arange(9) % 3, TOKENS.shape)  # never place 3

  def total(params: dict) -> jax.Array:
    logits, _, _ = model.apply(
      {"params": params}, TOKENS, model.zero_carry(3), position=position
    )
    return jnp.sin(logits).sum()

  gradient = jax.grad(total)(params)["position"]
  assert not np.asarray(gradient[3]).any()
  step = 1e-2 * jnp.zeros_like(gradient).at[2, 5].set(1)
  up, down = (
    total(params | {"position": params["position"] + sign * step})
    for sign in (1, -1)
  )
  assert float(up - down) / 2e-2 == pytest.approx(
    float(gradient[2, 5]), rel=0.02
  )


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_stepwise_logits_hear_the_places(dtype: str) -> None:
  model, params = make(dtype=dtype, cycle=4)
  position = np.broadcast_to(np.arange(5, 14), TOKENS.shape)
  logits, _, _ = model.apply(
    {"params": params}, TOKENS, model.zero_carry(3), position=position
  )
  ready = language_model.step_params(params, dtype)
  state = lstm_step.begin(model.zero_carry(3))
  for t in range(TOKENS.shape[1]):
    one, state = language_model.step(ready, TOKENS[:, t], state, position=5 + t)
    atol = 1e-5 if dtype == "float32" else 0.1
    np.testing.assert_allclose(one, logits[:, t], atol=atol)


def test_without_a_cycle_there_is_no_table_of_places() -> None:
  _, params = make()
  assert "position" not in params
  assert len(language_model.step_params(params, "float32").table) == 1


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
