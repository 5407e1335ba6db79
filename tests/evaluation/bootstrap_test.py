"""Intervals: coverage, pairing, repeatability."""

import math
import warnings

import numpy as np
import pytest

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


def test_the_mean_of_seeds_has_the_interval_of_its_pieces() -> None:
  rng = np.random.default_rng(3)
  values = rng.normal(5, 2, (3, 80))
  low, high = bootstrap.mean_interval(values)
  # The standard error of the mean of 240 values.
  assert (high - low) / 3.92 == pytest.approx(2 / math.sqrt(240), rel=0.15)
  assert low < values.mean() < high
  # What differs between seeds but not between pieces adds nothing.
  apart = bootstrap.mean_interval(values + np.array([[0], [50], [100]]))
  np.testing.assert_allclose(apart, [low + 50, high + 50])


def test_means_leave_nan_out() -> None:
  values = np.random.default_rng(4).normal(size=30)
  holes = np.insert(values, [0, 7, 30], np.nan)
  with warnings.catch_warnings():
    warnings.simplefilter("error")
    found = bootstrap.mean_interval(holes)
    assert found == bootstrap.mean_interval(values)
    nothing = np.full(33, np.nan)
    assert found == bootstrap.mean_interval(np.stack([nothing, holes]))
    assert np.isnan(bootstrap.mean_interval(nothing)).all()
    assert np.isnan(bootstrap.mean_interval(np.zeros(0))).all()


def test_statistic_interval_of_a_mean_is_the_means() -> None:
  values = np.random.default_rng(6).normal(3, 1, 100)
  found = bootstrap.statistic_interval(
    lambda drawn: values[drawn].mean(),
    [100],
    values.mean(),
    seed=0,
    resamples=2000,
  )
  expected = bootstrap.mean_interval(values)
  np.testing.assert_allclose(found, expected, atol=0.03)


def test_statistic_interval_is_centred() -> None:
  values = np.random.default_rng(7).normal(size=(2, 50))

  def nearest(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    # Distance to the nearest, which repeated pieces make larger.
    apart = np.abs(values[0][first][:, None] - values[1][second][None])
    return np.array([apart.min(1).mean(), apart.mean()])

  value = nearest(np.arange(50), np.arange(50))
  low, high = bootstrap.statistic_interval(nearest, (50, 50), value, seed=1)
  assert low.shape == high.shape == (2,)
  assert (low < value).all() and (value < high).all()
  middle = (low + high) / 2
  assert (np.abs(middle - value) < 0.2 * (high - low)).all()
  again = bootstrap.statistic_interval(nearest, (50, 50), value, seed=1)
  np.testing.assert_array_equal(again, (low, high))


def test_an_empty_set_has_no_interval() -> None:
  found = bootstrap.statistic_interval(
    lambda *drawn: 1.0, (5, 0), math.nan, seed=0
  )
  assert np.isnan(found).all()
