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


def test_area_is_what_it_was() -> None:
  # Recorded figures of models are compared with new ones.
  first, second = normal(100, 1), normal(100, 2) + 0.3
  assert two_sample.auc(first, second, 5) == pytest.approx(0.5572, abs=0.01)


def test_scores_are_those_of_rows_not_seen() -> None:
  first, second = normal(40, 1), normal(52, 2)
  # Noise that is learnt by heart would part the sets.
  ours, theirs = two_sample.scores(first, second, 0)
  assert ours.shape == (40,) and theirs.shape == (52,)
  assert 0.3 < two_sample.rank_auc(theirs, ours) < 0.7
  again = two_sample.scores(first, second, 0)
  np.testing.assert_array_equal(ours, again[0])
  # Every row has the rank its classifier gave it: each rank twice, about.
  ranks = np.sort(np.concatenate([ours, theirs]))
  np.testing.assert_allclose(ranks, np.repeat(np.arange(1, 47) / 46, 2))


def test_scores_find_the_row_of_the_other_kind() -> None:
  first, second = normal(40, 3), normal(52, 4) + 2
  first[17] += 3
  second[30] -= 3
  ours, theirs = two_sample.scores(first, second, 1)
  assert two_sample.rank_auc(theirs, ours) > 0.9
  assert ours.argmax() == 17 and theirs.argmin() == 30


def test_equal_sets_score_one_half_in_the_mean() -> None:
  areas = []
  for seed in range(3):
    scores = two_sample.scores(normal(40, seed), normal(52, 99 + seed), 0)
    areas.append(two_sample.rank_auc(*scores[::-1]))
  # Within three standard errors.
  assert np.mean(areas) == pytest.approx(0.5, abs=0.13)


def test_interval_is_as_wide_as_that_of_one_classifier() -> None:
  ours, theirs = np.arange(200) / 200, np.arange(100) / 100
  low, high = two_sample.auc_interval(ours, theirs, seed=0)
  # Mann & Whitney (1947), of the half that a classifier is asked about.
  deviation = np.sqrt((100 + 50 + 1) / (12 * 100 * 50))
  assert (high - low) / 3.92 == pytest.approx(deviation, rel=0.1)
  middle = two_sample.rank_auc(theirs, ours)
  assert low < middle < high and middle == pytest.approx(0.5, abs=0.01)
  assert (low, high) == two_sample.auc_interval(ours, theirs, seed=0)


def test_standardised_by_the_reference() -> None:
  reference = np.array([[1.0, 5, np.nan], [3, 5, 2], [np.nan, 5, 4]])
  rows = np.array([[2.0, 7, 5], [4, 5, np.nan]])
  found = two_sample.standardised(rows, reference)
  np.testing.assert_allclose(found, [[0, 0, 2], [2, 0, 0]])
