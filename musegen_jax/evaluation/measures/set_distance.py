"""How a feature spreads within a generated set, compared with how far it lies
from a reference set (Yang & Lerch 2020).

Letters: N generated and M reference pieces, F columns of a feature, A and B
distances, G points of the grid.
"""

import math
from typing import NamedTuple

import numpy as np

from musegen_jax.evaluation import bootstrap

# G, the points at which both densities are compared.
POINTS = 1000
# The grid goes this many bandwidths beyond the outermost distances.
MARGIN = 3
# Shares of probability below this count as this much, so that a divergence is
# at most log(1e12) = 27.6 (of sets far apart 20 to 25): what a density is that
# far from any value is the kernel's shape alone.
FLOOR = 1e-12


class Distances(NamedTuple):
  """Euclidean distances between pieces with a value.

  intra: float64 [N, N], within the generated set.
  inter: float64 [N, M], to the reference set.
  """

  intra: np.ndarray
  inter: np.ndarray


class Comparison(NamedTuple):
  """divergence: Kullback-Leibler, of intra from inter, in nats, 0..27.6.
  overlap: the area under both densities, 0..1."""

  divergence: float
  overlap: float


def distances(generated: np.ndarray, reference: np.ndarray) -> Distances:
  """Distances of pieces by one feature.

  Args:
    generated: [N] or [N, F] (a histogram); rows with a nan are left out.
    reference: [M] or [M, F].
  """
  sets = []
  for rows in (generated, reference):
    rows = np.asarray(rows, np.float64)
    rows = rows[:, None] if rows.ndim == 1 else rows
    sets.append(rows[~np.isnan(rows).any(1)])
  return Distances(pairwise(sets[0], sets[0]), pairwise(*sets))


def pairwise(first: np.ndarray, second: np.ndarray) -> np.ndarray:
  """Euclidean distances [N, M] of rows [N, F] and [M, F]."""
  # Column by column: exact where rows are equal, as products are not.
  squares = np.zeros((len(first), len(second)))
  for one, other in zip(first.T, second.T, strict=True):
    squares += (one[:, None] - other[None]) ** 2
  return np.sqrt(squares)


def compare(found: Distances) -> Comparison:
  """Compares the distances within the generated set, each pair once, with those
  to the reference set; nan where there are not two pieces, or none there."""
  return _resampled(found, *map(np.arange, found.inter.shape))


def intervals(
  found: Distances, *, seed: int, resamples: int = 200
) -> tuple[tuple[float, float], tuple[float, float]]:
  """95 % intervals (low, high) of the divergence and of the overlap.

  Both sets are drawn again with replacement, the distances looked up; a piece
  drawn twice makes no pair with itself. See bootstrap.statistic_interval.
  """
  low, high = bootstrap.statistic_interval(
    lambda *drawn: np.array(_resampled(found, *drawn)),
    found.inter.shape,
    np.array(compare(found)),
    seed=seed,
    resamples=resamples,
  )
  # The shift to the centre may lead out of what is possible.
  high = np.minimum(high, [-math.log(FLOOR), 1])
  low, high = np.maximum(low, 0).tolist(), np.maximum(high, 0).tolist()
  return (low[0], high[0]), (low[1], high[1])


def _resampled(
  found: Distances, first: np.ndarray, second: np.ndarray
) -> Comparison:
  """Of the generated pieces `first` [N] and the reference pieces `second`."""
  one, other = np.triu_indices(len(first), 1)
  one, other = first[one], first[other]
  apart = one != other
  intra = found.intra[one[apart], other[apart]]
  return compare_samples(intra, found.inter[first][:, second].ravel())


def compare_samples(first: np.ndarray, second: np.ndarray) -> Comparison:
  """Compares the densities of two samples [A] and [B].

  Each is smoothed by Gaussians of Scott's bandwidth (Scott 1992, as scipy's
  gaussian_kde), at least of two points of the grid: what is always the same is
  a narrow peak. The grid is one for both and spans all values. Samples that are
  one value and the same have divergence 0 and overlap 1; nan where one has no
  values.
  """
  if not (len(first) and len(second)):
    return Comparison(math.nan, math.nan)
  low = min(first.min(), second.min())
  high = max(first.max(), second.max())
  if high - low <= 1e-9 * max(abs(low), abs(high)):
    return Comparison(0.0, 1.0)
  # Twice the grid's step, if the margins are of that bandwidth.
  least = 2 * (high - low) / (POINTS - 1 - 4 * MARGIN)
  bandwidths = [max(_scott(part), least) for part in (first, second)]
  margin = MARGIN * max(bandwidths)
  grid = np.linspace(low - margin, high + margin, POINTS)
  one, other = (
    _shares(part, width, grid)
    for part, width in zip((first, second), bandwidths, strict=True)
  )
  ratio = np.log(np.maximum(one, FLOOR) / np.maximum(other, FLOOR))
  return Comparison(
    max(float((one * ratio).sum()), 0.0), float(np.minimum(one, other).sum())
  )


def _scott(values: np.ndarray) -> float:
  if len(values) < 2:
    return 0.0
  return float(values.std(ddof=1) * len(values) ** -0.2)


def _shares(
  values: np.ndarray, bandwidth: float, grid: np.ndarray
) -> np.ndarray:
  """Share of the density of values [A] at each point of the grid: [G], sum 1.

  Each value is divided between the two points beside it, then smoothed (Wand
  1994): A + G^2 steps, not A G. Both ends are far out, so that the trapezoid
  rule is a sum.
  """
  step = grid[1] - grid[0]
  place = (values - grid[0]) / step
  below = np.minimum(place.astype(np.int64), len(grid) - 2)
  part = place - below
  counts = np.bincount(below, 1 - part, minlength=len(grid))
  counts += np.bincount(below + 1, part, minlength=len(grid))
  offsets = np.arange(1 - len(grid), len(grid)) * step / bandwidth
  density = np.convolve(counts, np.exp(-0.5 * offsets**2), mode="valid")
  return density / density.sum()
