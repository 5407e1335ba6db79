"""Draws match their probabilities; filters keep what they say."""

import hypothesis
import jax
import numpy as np
import pytest
from hypothesis import strategies as st
from hypothesis.extra import numpy as st_numpy

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


# Few values, so that many are tied; two differ by one bit, none is as good as
# impossible.
VALUES = [-np.inf, -80.0, -2.5, -0.0, 0.0, 1e-30, 3.25]
VALUES.append(float(np.nextafter(np.float32(3.25), np.float32(4))))
SOME_LOGITS = st_numpy.arrays(
  np.float32,
  (1, 7),
  elements=st.sampled_from(VALUES),
).filter(lambda logits: np.isfinite(logits).any())
keep_top_k = jax.jit(strategies.keep_top_k, static_argnums=1)
keep_top_p = jax.jit(strategies.keep_top_p, static_argnums=1)
quick = hypothesis.settings(max_examples=60, deadline=None)


@quick
@hypothesis.given(SOME_LOGITS, st.integers(1, 9))
def test_top_k_is_that_of_a_sort(logits: np.ndarray, k: int) -> None:
  ordered = np.sort(logits[0])[::-1]
  expected = logits[0] >= ordered[min(k, 7) - 1]
  kept = np.asarray(keep_top_k(logits, k))[0]
  np.testing.assert_array_equal(kept, np.where(expected, logits[0], -np.inf))


@quick
@hypothesis.given(SOME_LOGITS, st.sampled_from([1e-6, 0.2, 0.45, 0.77, 0.999]))
def test_top_p_is_that_of_a_sort(logits: np.ndarray, p: float) -> None:
  probs = np.exp(logits[0].astype(np.float64) - logits.max())
  probs /= probs.sum()
  # Sums at p itself fall as they round.
  masses = np.array([probs[logits[0] >= x].sum() for x in logits[0]])
  hypothesis.assume((np.abs(masses - p) > 1e-5).all())
  least = logits[0][masses >= p].max()
  kept = np.asarray(keep_top_p(logits, p))[0]
  expected = np.where(logits[0] >= least, logits[0], -np.inf)
  np.testing.assert_array_equal(kept, expected)


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
