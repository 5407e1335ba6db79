"""Densities against scipy's and closed forms; resampling against itself."""

import math
import warnings

import numpy as np
import pytest
import scipy.stats

from musegen_jax.evaluation.measures import set_distance


def normal(count: int, seed: int, shift: float = 0.0) -> np.ndarray:
  return np.random.default_rng(seed).normal(shift, 1, count)


def test_pairwise_is_euclidean() -> None:
  first, second = normal(15, 1).reshape(5, 3), normal(21, 2).reshape(7, 3)
  expected = np.linalg.norm(first[:, None] - second[None], axis=2)
  found = set_distance.pairwise(first, second)
  np.testing.assert_allclose(found, expected)


@pytest.mark.parametrize("shift", [0.0, 1.0, 3.0])
def test_shifted_gaussians(shift: float) -> None:
  found = set_distance.compare_samples(normal(4000, 1), normal(4000, 2, shift))
  # Smoothing widens both by a few percent.
  assert found.divergence == pytest.approx(shift**2 / 2, rel=0.25, abs=0.02)
  overlap = 2 * scipy.stats.norm.cdf(-shift / 2)
  assert found.overlap == pytest.approx(overlap, abs=0.03)


def test_far_apart_is_capped() -> None:
  found = set_distance.compare_samples(normal(500, 1), normal(500, 2, 99.0))
  assert 20 < found.divergence <= -math.log(set_distance.FLOOR)
  assert found.overlap == pytest.approx(0, abs=1e-9)


def test_is_what_scipys_densities_give() -> None:
  rng = np.random.default_rng(3)
  first, second = rng.gamma(2, 1, 300), rng.gamma(2.5, 1, 200)
  kernels = [scipy.stats.gaussian_kde(part) for part in (first, second)]
  grid = np.linspace(-5, 30, 7001)
  one, other = (kernel(grid) for kernel in kernels)
  found = set_distance.compare_samples(first, second)
  overlap = np.trapezoid(np.minimum(one, other), grid)
  assert found.overlap == pytest.approx(overlap, abs=2e-3)
  inside = one > 1e-9
  ratio = np.log(one[inside] / other[inside])
  divergence = np.trapezoid(one[inside] * ratio, grid[inside])
  assert found.divergence == pytest.approx(divergence, abs=5e-3)


def test_scale_and_place_do_not_matter() -> None:
  first, second = normal(80, 1), normal(90, 2, 0.7)
  found = set_distance.compare_samples(first, second)
  moved = set_distance.compare_samples(5e6 * first + 1e7, 5e6 * second + 1e7)
  np.testing.assert_allclose(moved, found, atol=1e-6)


def test_pairs_count_once_and_none_with_itself() -> None:
  generated, reference = normal(6, 1), normal(4, 2)
  found = set_distance.compare(set_distance.distances(generated, reference))
  intra = [abs(generated[i] - generated[j]) for i in range(6) for j in range(i)]
  inter = np.abs(generated[:, None] - reference[None]).ravel()
  expected = set_distance.compare_samples(np.array(intra), inter)
  np.testing.assert_allclose(found, expected)


def test_a_piece_drawn_twice_makes_no_pair_with_itself() -> None:
  found = set_distance.distances(normal(6, 1), normal(4, 2))
  drawn = np.array([3, 3, 5, 5, 5]), np.array([0, 2, 2])
  intra = np.full(6, found.intra[3, 5])
  inter = found.inter[drawn[0]][:, drawn[1]].ravel()
  expected = set_distance.compare_samples(intra, inter)
  assert set_distance._resampled(found, *drawn) == expected


def test_sets_alike_overlap_more_than_others() -> None:
  rng = np.random.default_rng(4)
  reference = rng.dirichlet(np.ones(12), 60)
  near, far = rng.dirichlet(np.ones(12), 60), rng.dirichlet(np.arange(12), 60)
  found = [
    set_distance.compare(set_distance.distances(rows, reference))
    for rows in (near, far)
  ]
  assert found[0].overlap > 0.9 > found[1].overlap
  assert found[0].divergence < 0.1 < found[1].divergence


def test_what_never_changes() -> None:
  same = np.full(9, 0.1)
  equal = set_distance.compare_samples(same, same[:4] + 1e-17)
  assert equal == (0, 1)
  assert set_distance.compare_samples(same * 0, same * 0) == (0, 1)
  apart = set_distance.compare_samples(same, same + 1)
  assert apart.overlap == pytest.approx(0, abs=1e-9)
  assert apart.divergence > 20
  # One of 500 values that is all of the other sample.
  narrow = set_distance.compare_samples(np.zeros(9), np.linspace(0, 1, 500))
  assert 0 < narrow.overlap < 0.05 and 2 < narrow.divergence < 10


def test_undefined_is_nan_and_nan_is_left_out() -> None:
  values, missing = normal(30, 1), normal(20, 2)
  holes = np.insert(values, [3, 9], np.nan)
  with warnings.catch_warnings():
    warnings.simplefilter("error")
    found = set_distance.distances(holes, missing)
    expected = set_distance.distances(values, missing)
    np.testing.assert_array_equal(found.inter, expected.inter)
    for first, second in ((values[:1], missing), (values, missing[:0])):
      empty = set_distance.distances(first, second)
      assert np.isnan(set_distance.compare(empty)).all()
      assert np.isnan(set_distance.intervals(empty, seed=0)).all()


def test_intervals_hold_the_figures_and_repeat() -> None:
  found = set_distance.distances(normal(40, 1), normal(50, 2, 1.0))
  figures = set_distance.compare(found)
  intervals = set_distance.intervals(found, seed=1, resamples=60)
  for value, (low, high) in zip(figures, intervals, strict=True):
    assert low < value < high
  assert intervals == set_distance.intervals(found, seed=1, resamples=60)
  assert intervals != set_distance.intervals(found, seed=2, resamples=60)


def test_intervals_are_as_wide_as_other_sets_make_the_figure() -> None:
  figures, widths = [], []
  for seed in range(24):
    rows = normal(60, seed), 1.5 * normal(60, 100 + seed, 1.0)
    found = set_distance.distances(*rows)
    figures.append(set_distance.compare(found))
    intervals = set_distance.intervals(found, seed=seed, resamples=30)
    widths.append([high - low for low, high in intervals])
  ratio = np.mean(widths, 0) / (3.92 * np.std(figures, 0))
  assert (ratio > 0.65).all() and (ratio < 1.4).all()
