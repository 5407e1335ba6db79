"""Permutation tests by hand, against scipy, and calibrated."""

import math
import warnings

import numpy as np
import pytest
import scipy.stats

from musegen_jax.evaluation import permutation


def apart(first: np.ndarray, second: np.ndarray, axis: int) -> np.ndarray:
  return np.abs(first.mean(axis) - second.mean(axis))


def test_small_cases_by_hand() -> None:
  # Of 8 ways to give signs only all plus and all minus sum up to 6.
  assert permutation.paired(np.array([1.0, 2, 3])) == 2 / 8
  assert permutation.paired(np.array([1.0, 2, -3])) == 1
  assert permutation.paired(np.array([0.0, 0])) == 1
  # Of the 6 ways to choose 2 of 4, {1, 2} and {3, 4} are as far apart.
  assert permutation.unpaired(np.array([1.0, 2]), np.array([3.0, 4])) == 2 / 6


def test_rounding_does_not_part_equal_sums() -> None:
  # 0.1 + 0.2 is not 0.3: both of these sums are as far as it gets.
  values = np.array([0.1, 0.2, 0.3, -0.6])
  assert permutation.paired(values) == 1
  assert permutation.paired(values[:3]) == 2 / 8


@pytest.mark.parametrize("count", [9, 60])
def test_paired_is_scipys(count: int) -> None:
  rng = np.random.default_rng(0)
  values = rng.normal(0.3, 1, count)
  expected = scipy.stats.permutation_test(
    (values,),
    lambda part, axis: part.sum(axis),
    permutation_type="samples",
    n_resamples=20_000,
    rng=rng,
  ).pvalue
  found = permutation.paired(values)
  assert found == pytest.approx(expected, abs=1e-9 if count == 9 else 0.015)


@pytest.mark.parametrize("counts", [(4, 6), (40, 30)])
def test_unpaired_is_scipys(counts: tuple[int, int]) -> None:
  rng = np.random.default_rng(1)
  first, second = rng.exponential(1, counts[0]), rng.exponential(1.5, counts[1])
  expected = scipy.stats.permutation_test(
    (first, second),
    apart,
    alternative="greater",
    n_resamples=20_000,
    rng=rng,
  ).pvalue
  found = permutation.unpaired(first, second)
  exact = math.comb(sum(counts), counts[0]) <= permutation.PERMUTATIONS
  assert found == pytest.approx(expected, abs=1e-9 if exact else 0.015)


def test_p_values_are_uniform_where_there_is_no_difference() -> None:
  rng = np.random.default_rng(2)
  paired, unpaired = [], []
  for _ in range(120):
    # Heavy tails and unequal sizes, where a t test errs.
    paired.append(permutation.paired(rng.standard_t(2, 15)))
    parts = rng.lognormal(0, 1, 12), rng.lognormal(0, 1, 20)
    unpaired.append(permutation.unpaired(*parts))
  for found in (paired, unpaired):
    assert scipy.stats.kstest(found, "uniform").pvalue > 0.01


def test_differences_are_found() -> None:
  rng = np.random.default_rng(3)
  least = 1 / (1 + permutation.PERMUTATIONS)
  assert permutation.paired(rng.normal(1, 1, 80)) == pytest.approx(least)
  first, second = rng.normal(0, 1, 50), rng.normal(2, 1, 50)
  assert permutation.unpaired(first, second) == pytest.approx(least)


def test_is_repeated_by_its_seed() -> None:
  values = np.random.default_rng(4).normal(0.1, 1, 50)
  assert permutation.paired(values) == permutation.paired(values)
  assert permutation.paired(values) != permutation.paired(values, seed=1)
  parts = values[:20], values[20:]
  assert permutation.unpaired(*parts) == permutation.unpaired(*parts)
  assert permutation.unpaired(*parts) != permutation.unpaired(*parts, seed=1)


def test_wide_sets_make_as_many_permutations() -> None:
  values = np.random.default_rng(5).normal(1, 1, 300)
  least = pytest.approx(1 / (1 + permutation.PERMUTATIONS))
  assert sum(permutation._blocks(3)) == permutation.PERMUTATIONS
  assert sum(permutation._blocks(700_000)) == permutation.PERMUTATIONS
  assert permutation.paired(values) == least


def test_nan_is_left_out() -> None:
  values = np.array([1.0, np.nan, 2, 3])
  with warnings.catch_warnings():
    warnings.simplefilter("error")
    assert permutation.paired(values) == 2 / 8
    assert permutation.unpaired(values, values[:1]) == 3 / 4
    for empty in (values[:0], values[1:2]):
      assert math.isnan(permutation.paired(empty))
      assert math.isnan(permutation.unpaired(values, empty))
    found = permutation.holm(np.array([np.nan, np.nan]))
  assert np.isnan(found).all() and not len(permutation.holm(np.zeros(0)))


def test_holm_by_hand() -> None:
  found = permutation.holm(np.array([0.01, 0.04, np.nan, 0.03, 0.005]))
  # 4 x 0.005, 3 x 0.01, 2 x 0.03, then not less than what is before.
  np.testing.assert_allclose(found, [0.03, 0.06, np.nan, 0.06, 0.02])
  np.testing.assert_array_equal(permutation.holm(np.array([0.9, 0.8])), [1, 1])
