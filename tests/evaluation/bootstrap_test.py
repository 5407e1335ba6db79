"""Intervals: coverage, pairing, repeatability."""

import numpy as np

from musegen_jax.evaluation import bootstrap


def test_covers_the_truth_as_often_as_it_says() -> None:
  rng = np.random.default_rng(0)
  hits = 0
  for trial in range(200):
    notes = rng.integers(50, 150, 60).astype(float)
    nats = notes * 2.0 + rng.normal(0, 40, 60)
    low, high = bootstrap.ratio_interval(nats, notes, seed=trial)
    hits += low <= 2.0 <= high
  assert 180 <= hits <= 198  # 95 % of 200, three standard errors and some bias


def test_repeats_and_narrows() -> None:
  rng = np.random.default_rng(1)
  notes, nats = rng.uniform(50, 150, 400), rng.uniform(100, 300, 400)
  first = bootstrap.ratio_interval(nats, notes)
  assert first == bootstrap.ratio_interval(nats, notes)
  few = bootstrap.ratio_interval(nats[:25], notes[:25])
  assert first[1] - first[0] < (few[1] - few[0]) / 2


def test_one_piece_has_no_width() -> None:
  low, high = bootstrap.ratio_interval(np.array([6.0]), np.array([3.0]))
  assert low == high == 2.0


def test_differences_are_paired() -> None:
  rng = np.random.default_rng(2)
  notes, level = rng.uniform(50, 150, 60), rng.normal(2, 1, 60)
  nats = notes * level
  better = nats - 0.1 * notes
  low, high = bootstrap.difference_interval(better, notes, nats, notes)
  # The pieces differ by far more than the models do.
  np.testing.assert_allclose([low, high], -0.1, atol=1e-9)
  low, high = bootstrap.ratio_interval(nats, notes)
  assert high - low > 0.3
