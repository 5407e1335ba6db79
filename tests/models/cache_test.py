"""The adaptive unigram against its formula, token by token."""

import numpy as np
import pytest

from musegen_jax.models.cache import CacheUnigram

PRIOR = np.array([0.0, 0.5, 0.3, 0.2])


@pytest.mark.parametrize("strength", [0.5, 4.0, 100.0])
def test_nll_and_hits_follow_the_formula(strength: float) -> None:
  rng = np.random.default_rng(0)
  piece = np.concatenate([[0], rng.choice([1, 2, 3], 50)])
  counts, nll, hits = np.zeros(4), 0.0, 0
  for number, token in enumerate(piece[1:]):
    probs = (counts + strength * PRIOR) / (number + strength)
    assert probs.sum() == pytest.approx(1)
    nll -= np.log(probs[token])
    hits += probs.argmax() == token
    counts[token] += 1
  cache = CacheUnigram(PRIOR, strength)
  assert cache.nll(piece) == pytest.approx(nll)
  assert cache.correct(piece) == hits


def test_it_adapts() -> None:
  piece = np.array([0] + [3] * 40)
  assert CacheUnigram(PRIOR, 4.0).nll(piece) < 0.3 * CacheUnigram(
    PRIOR, 1e6
  ).nll(piece)
