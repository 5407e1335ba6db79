"""Closed forms of Gaussians, slow sums, and order under corruption."""

import math

import numpy as np
import pytest

from musegen_jax.evaluation.measures import embedding_distance
from musegen_jax.evaluation.measures.embedding_distance import Moments


def normal(count: int, seed: int) -> np.ndarray:
  return np.random.default_rng(seed).normal(size=(count, 5))


def test_gaussians_that_commute() -> None:
  turn = np.linalg.qr(normal(5, 1))[0]
  mean = np.arange(5.0)
  ours, theirs = np.array([4.0, 1, 9, 0, 2]), np.array([1.0, 1, 4, 0, 3])
  first = Moments(mean, turn @ np.diag(ours) @ turn.T)
  second = Moments(mean + 2, turn @ np.diag(theirs) @ turn.T)
  expected = 5 * 4 + ((np.sqrt(ours) - np.sqrt(theirs)) ** 2).sum()
  found = embedding_distance.frechet_of_moments(first, second)
  assert found == pytest.approx(expected, abs=1e-6)
  assert embedding_distance.frechet_of_moments(first, first) < 1e-6


def test_gaussians_that_do_not_commute() -> None:
  first = Moments(np.zeros(2), np.array([[2.0, 1], [1, 3]]))
  second = Moments(np.array([1.0, 0]), np.array([[4.0, -1], [-1, 1]]))
  # tr sqrt(A) of a 2 x 2 matrix is sqrt(tr A + 2 sqrt(det A)).
  product = first.covariance @ second.covariance
  root = math.sqrt(np.trace(product) + 2 * math.sqrt(np.linalg.det(product)))
  expected = 1 + 5 + 5 - 2 * root
  for pair in ((first, second), (second, first)):
    found = embedding_distance.frechet_of_moments(*pair)
    assert found == pytest.approx(expected, abs=1e-6)


def test_covariance_is_shrunk_as_the_paper_says() -> None:
  rows = normal(12, 2) * np.array([[1.0, 2, 3, 1, 1]])
  apart = rows - rows.mean(0, keepdims=True)
  sample = apart.T @ apart / 12

  def norm(matrix: np.ndarray) -> float:
    return np.trace(matrix @ matrix.T) / 5

  scale = np.trace(sample) / 5
  dispersion = norm(sample - scale * np.eye(5))
  noise = sum(norm(np.outer(row, row) - sample) for row in apart) / 12**2
  assert noise < dispersion
  expected = (
    noise / dispersion * scale * np.eye(5)
    + (dispersion - noise) / dispersion * sample
  )
  found = embedding_distance.moments(rows)
  np.testing.assert_allclose(found.covariance, expected)
  np.testing.assert_allclose(found.mean, rows.mean(0))


def test_many_rows_are_hardly_shrunk_and_few_make_no_singular_matrix() -> None:
  rows = normal(20_000, 3) * np.arange(1.0, 6)[None]
  found = embedding_distance.moments(rows).covariance
  np.testing.assert_allclose(found, np.cov(rows.T), atol=0.02)
  few = embedding_distance.moments(normal(3, 4)).covariance
  assert np.linalg.eigvalsh(few).min() > 1e-3


def test_both_grow_with_corruption() -> None:
  reference = normal(300, 5)
  width = embedding_distance.bandwidth(reference)
  rng = np.random.default_rng(6)
  order = rng.random(300)
  figures = []
  for share in (0, 0.1, 0.3, 1):
    rows = normal(300, 7)
    rows[order < share] = rows[order < share] * 0.3 + 1.5
    figures.append(
      (
        embedding_distance.frechet(rows, reference),
        embedding_distance.mmd2(rows, reference, width),
      )
    )
  assert (np.diff(figures, axis=0) > 0).all()


def test_mmd_is_the_sum_over_pairs() -> None:
  first, second = normal(7, 8), normal(9, 9) + 0.3
  width = 1.7

  def kernel(one: np.ndarray, other: np.ndarray) -> float:
    square = ((one - other) ** 2).sum() / width**2
    scales = (0.25, 0.5, 1, 2, 4)
    return sum(math.exp(-square / 2 / scale**2) for scale in scales) / 5

  within = [
    np.mean(
      [
        kernel(rows[i], rows[j])
        for i in range(len(rows))
        for j in range(len(rows))
        if i != j
      ]
    )
    for rows in (first, second)
  ]
  between = np.mean([kernel(one, other) for one in first for other in second])
  found = embedding_distance.mmd2(first, second, width)
  assert found == pytest.approx(sum(within) - 2 * between)


def test_mmd_is_about_nothing_for_equal_sets() -> None:
  found = [
    embedding_distance.mmd2(normal(60, seed), normal(80, 99 + seed), 3.0)
    for seed in range(40)
  ]
  error = np.std(found) / math.sqrt(40)
  assert abs(np.mean(found)) < 3 * error and min(found) < 0
  assert embedding_distance.mmd2(normal(60, 1), normal(80, 2) + 1, 3.0) > 0.05


def test_bandwidth_is_the_median_distance() -> None:
  rows = np.array([[0.0, 0], [3, 4], [0, 1], [0, 1]])
  apart = [5, 1, 1, math.hypot(3, 3), math.hypot(3, 3), 0]
  found = embedding_distance.bandwidth(rows)
  assert found == pytest.approx(np.median(apart))


def test_undefined_is_nan() -> None:
  one, many = normal(1, 1), normal(9, 2)
  assert math.isnan(embedding_distance.frechet(one, many))
  assert math.isnan(embedding_distance.mmd2(many, one, 1.0))
  assert math.isnan(embedding_distance.mmd2(many, many, math.nan))
  assert math.isnan(embedding_distance.bandwidth(np.ones((5, 2))))
  assert math.isnan(embedding_distance.bandwidth(one))
  # What never changes has a covariance of 0 and still a place.
  same = np.ones((4, 3))
  assert embedding_distance.frechet(same, same + 2) == pytest.approx(12)


def test_rows_that_come_again_make_no_pair_with_themselves() -> None:
  first, second = normal(5, 1), normal(6, 2)
  found = embedding_distance.kernels(first, second, 2.0)
  ones, others = np.array([0, 0, 3, 4]), np.array([1, 2, 2, 2, 5])

  def mean(kernel: np.ndarray, left: np.ndarray, right: np.ndarray) -> float:
    pairs = [
      kernel[i, j] for i in left for j in right if left is not right or i != j
    ]
    return sum(pairs) / len(pairs)

  expected = (
    mean(found.first, ones, ones)
    + mean(found.second, others, others)
    - 2 * mean(found.between, ones, others)
  )
  value = embedding_distance.mmd2_of_rows(found, ones, others)
  assert value == pytest.approx(expected)
  assert math.isnan(
    embedding_distance.mmd2_of_rows(found, np.array([1, 1]), others)
  )
