"""The classifier two-sample test: calibrated, sensitive, repeatable."""

import numpy as np
import pytest

from musegen_jax.evaluation import two_sample


def test_rank_auc_counts_pairs() -> None:
  rng = np.random.default_rng(0)
  higher, lower = rng.integers(0, 9, 60), rng.integers(0, 7, 40)
  wins = (higher[:, None] > lower[None]).sum()
  ties = (higher[:, None] == lower[None]).sum()
  expected = (wins + ties / 2) / 2400
  assert two_sample.rank_auc(higher, lower) == pytest.approx(expected)


def test_ties_share_their_rank() -> None:
  ranks = two_sample.average_ranks(np.array([5.0, 1, 5, 5, 0]))
  assert ranks.tolist() == [4, 2, 4, 4, 1]


def normal(count: int, seed: int) -> np.ndarray:
  return np.random.default_rng(seed).normal(size=(count, 6))


def test_equal_sets_read_one_half() -> None:
  areas = [two_sample.auc(normal(600, 1), normal(600, 2), s) for s in range(5)]
  assert np.mean(areas) == pytest.approx(0.5, abs=0.03)
  # Not by its mistakes on what it has learnt by heart.
  assert min(areas) > 0.42 and max(areas) < 0.58


def test_shifted_and_correlated_sets_are_told_apart() -> None:
  far = two_sample.auc(normal(400, 1), normal(300, 2) + 2, 0)
  assert far > 0.99
  ring = normal(800, 3)
  ring[:, 1] = ring[:, 0] * np.sign(ring[:, 1])  # equal margins but not jointly
  assert two_sample.auc(normal(800, 4), ring, 0) > 0.75


def test_is_repeated_by_its_seed() -> None:
  first, second = normal(100, 1), normal(100, 2) + 0.3
  assert two_sample.auc(first, second, 5) == two_sample.auc(first, second, 5)
  assert two_sample.auc(first, second, 5) != two_sample.auc(first, second, 6)


def test_undefined_and_constant_features_say_nothing() -> None:
  first, second = normal(600, 1), normal(600, 2)
  first[:, 0], second[:, 0] = 3.0, 3.0
  first[:, 1], second[:, 1] = np.nan, np.nan
  first[::2, 2], second[1::2, 2] = np.nan, np.nan
  first[0, 0] = 4.0  # unseen in training by half of the seeds
  with np.errstate(divide="raise", over="raise"):
    areas = [two_sample.auc(first, second, seed) for seed in range(6)]
  assert np.mean(areas) == pytest.approx(0.5, abs=0.04)
