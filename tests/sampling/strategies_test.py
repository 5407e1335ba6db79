"""Draws match their probabilities; filters keep what they say."""

import numpy as np
import pytest

from musegen_jax.errors import UserError
from musegen_jax.sampling import strategies

PROBS = np.array([0.0, 0.5, 0.25, 0.15, 0.1, 0.0])
with np.errstate(divide="ignore"):
  LOGITS = np.log(PROBS).astype(np.float32)[None]


def draws(strategy: strategies.Strategy, count: int = 20_000) -> np.ndarray:
  """Shares of the tokens over evenly spread uniforms."""
  uniforms = (np.arange(count, dtype=np.float32) + 0.5) / count
  tokens = strategy(np.repeat(LOGITS, count, 0), uniforms)
  return np.bincount(tokens, minlength=6) / count


@pytest.mark.parametrize(
  ("strategy", "expected"),
  [
    (strategies.Strategy(), PROBS),
    (strategies.Strategy(temperature=0.5), PROBS**2 / (PROBS**2).sum()),
    (strategies.Strategy(temperature=0), [0, 1, 0, 0, 0, 0]),
    (strategies.Strategy(top_k=2), [0, 2 / 3, 1 / 3, 0, 0, 0]),
    (strategies.Strategy(top_k=99), PROBS),
    (strategies.Strategy(top_p=0.6), [0, 2 / 3, 1 / 3, 0, 0, 0]),
    (strategies.Strategy(top_p=0.01), [0, 1, 0, 0, 0, 0]),
    (strategies.Strategy(min_p=0.4), [0, 2 / 3, 1 / 3, 0, 0, 0]),
    (strategies.Strategy(min_p=1.0), [0, 1, 0, 0, 0, 0]),
  ],
)
def test_shares(strategy: strategies.Strategy, expected: list) -> None:
  strategy.check()
  np.testing.assert_allclose(draws(strategy), expected, atol=1e-3)


def test_edges_of_the_uniform_never_draw_the_impossible() -> None:
  edges = np.array([0.0, np.nextafter(np.float32(1), np.float32(0))])
  tokens = strategies.Strategy()(np.repeat(LOGITS, 2, 0), edges)
  assert tokens.tolist() == [1, 4]


@pytest.mark.parametrize(
  "fields",
  [{"temperature": -1}, {"top_k": -1}, {"top_p": 0}, {"min_p": 1.5}],
)
def test_senseless_values_are_refused(fields: dict) -> None:
  with pytest.raises(UserError, match=f"--{next(iter(fields))} "):
    strategies.Strategy(**fields).check()
