"""Distances between two sets of vectors: Fréchet, and the maximum mean
discrepancy.

Columns of different units belong on one scale first; see
`two_sample.standardised`. Both figures depend on how many rows there are, so
systems are compared with equal N. Letters: N and M rows, F columns.
"""

import math
from typing import NamedTuple

import numpy as np

from musegen_jax.evaluation.measures.set_distance import pairwise

# Widths of the kernels, in bandwidths.
MULTIPLES = (0.25, 0.5, 1.0, 2.0, 4.0)


class Kernels(NamedTuple):
  """The kernel of pairs of rows: within the first set, float64 [N, N], within
  the second, [M, M], and between them, [N, M]."""

  first: np.ndarray
  second: np.ndarray
  between: np.ndarray


class Moments(NamedTuple):
  """mean: float64 [F]. covariance: float64 [F, F]."""

  mean: np.ndarray
  covariance: np.ndarray


def frechet(first: np.ndarray, second: np.ndarray) -> float:
  """Squared Fréchet distance of the Gaussians fitted to rows [N, F] and [M, F]
  (Heusel et al. 2017); nan for fewer than two rows.

  With few rows it is biased upwards, by about 1 / N.
  """
  if min(len(first), len(second)) < 2:
    return math.nan
  return frechet_of_moments(moments(first), moments(second))


def frechet_of_moments(first: Moments, second: Moments) -> float:
  """|m1 - m2|^2 + tr(C1 + C2 - 2 (C1 C2)^(1/2)), 0 or more (Dowson & Landau
  1982, equation 4)."""
  # C1 C2 has the eigenvalues of the symmetric C1^(1/2) C2 C1^(1/2).
  values, vectors = np.linalg.eigh(first.covariance)
  root = (vectors * np.sqrt(np.maximum(values, 0))[None]) @ vectors.T
  product = np.linalg.eigvalsh(root @ second.covariance @ root)
  between = ((first.mean - second.mean) ** 2).sum()
  within = np.trace(first.covariance) + np.trace(second.covariance)
  common = np.sqrt(np.maximum(product, 0)).sum()
  return max(float(between + within - 2 * common), 0.0)


def moments(rows: np.ndarray) -> Moments:
  """Mean and covariance of rows [N, F], N at least 2.

  The covariance (over N) is drawn towards a multiple of the identity as far as
  its own noise says: Ledoit & Wolf, "A well-conditioned estimator for
  large-dimensional covariance matrices" (2004), section 3.3.
  """
  rows = np.asarray(rows, np.float64)
  count, columns = rows.shape
  mean = rows.mean(0)
  apart = rows - mean[None]
  sample = apart.T @ apart / count
  scale = np.trace(sample) / columns
  identity = np.eye(columns)
  # Their m, d^2 and b^2, without the common factor 1 / F.
  dispersion = ((sample - scale * identity) ** 2).sum()
  fourth = ((apart**2).sum(1) ** 2).sum() / count
  noise = max(fourth - (sample**2).sum(), 0) / count
  weight = min(noise, dispersion) / dispersion if dispersion > 0 else 0.0
  return Moments(mean, weight * scale * identity + (1 - weight) * sample)


def bandwidth(reference: np.ndarray) -> float:
  """Median distance between rows [M, F]; nan where most are the same.

  Taken from the reference set, it makes figures of several systems comparable
  (the median heuristic of Gretton et al. 2012, section 8).
  """
  apart = pairwise(reference, reference)[np.triu_indices(len(reference), 1)]
  median = float(np.median(apart)) if len(apart) else 0.0
  return median if median > 0 else math.nan


def mmd2(first: np.ndarray, second: np.ndarray, width: float) -> float:
  """Unbiased squared maximum mean discrepancy (Gretton et al. 2012, equation
  3): about 0 for equal distributions, where it is also negative, at most 2.

  The kernel is the mean of Gaussians of MULTIPLES of a width.

  Args:
    first: [N, F].
    second: [M, F].
    width: see `bandwidth`.

  Returns:
    nan for fewer than two rows or a nan width.
  """
  found = kernels(first, second, width)
  return mmd2_of_rows(found, np.arange(len(first)), np.arange(len(second)))


def kernels(first: np.ndarray, second: np.ndarray, width: float) -> Kernels:
  """The kernel between rows [N, F] and [M, F], as `mmd2` has it."""
  pairs = ((first, first), (second, second), (first, second))
  return Kernels(*(_kernel(*pair, width) for pair in pairs))


def mmd2_of_rows(
  found: Kernels, first: np.ndarray, second: np.ndarray
) -> float:
  """`mmd2` of chosen rows, numbers [A] and [B], which may come again: a row
  makes no pair with itself."""
  one = np.bincount(first, minlength=len(found.first)).astype(float)
  other = np.bincount(second, minlength=len(found.second)).astype(float)
  within = _mean_of_pairs(found.first, one) + _mean_of_pairs(
    found.second, other
  )
  if math.isnan(within):
    return math.nan
  between = one @ found.between @ other / (one.sum() * other.sum())
  return float(within - 2 * between)


def _mean_of_pairs(kernel: np.ndarray, times: np.ndarray) -> float:
  pairs = times.sum() ** 2 - (times**2).sum()
  if not pairs:
    return math.nan
  own = (times**2 * kernel.diagonal()).sum()
  return float((times @ kernel @ times - own) / pairs)


def _kernel(first: np.ndarray, second: np.ndarray, width: float) -> np.ndarray:
  squares = (pairwise(first, second) / width) ** 2
  parts = [np.exp(-squares / (2 * multiple**2)) for multiple in MULTIPLES]
  return sum(parts) / len(parts)
