"""Confidence intervals by resampling pieces. P pieces, R resamples, S seeds."""

import math
from collections.abc import Callable, Sequence

import numpy as np

RESAMPLES = 2000


def ratio_interval(
  numerator: np.ndarray,
  denominator: np.ndarray,
  *,
  level: float = 0.95,
  seed: int = 0,
) -> tuple[float, float]:
  """Percentile interval of sum(numerator) / sum(denominator).

  Whole pieces are drawn with replacement, so that events of one piece, which
  are not independent, stay together (Efron 1979).

  Args:
    numerator: [P], such as nats per piece, or differences of two models.
    denominator: [P], such as notes per piece.
    level: coverage.
    seed: of the draws; equal P and seed draw the same pieces.
  """
  totals = _resampled([numerator, denominator], seed)
  return _percentiles(totals[:, 0] / np.maximum(totals[:, 1], 1e-12), level)


def difference_interval(
  numerator_1: np.ndarray,
  denominator_1: np.ndarray,
  numerator_2: np.ndarray,
  denominator_2: np.ndarray,
  *,
  level: float = 0.95,
  seed: int = 0,
) -> tuple[float, float]:
  """Percentile interval of the difference between two such ratios, [P] each,
  over the same pieces, which are drawn together (paired)."""
  columns = [numerator_1, denominator_1, numerator_2, denominator_2]
  totals = _resampled(columns, seed)
  ratios = totals[:, ::2] / np.maximum(totals[:, 1::2], 1e-12)
  return _percentiles(ratios[:, 0] - ratios[:, 1], level)


def mean_interval(
  values: np.ndarray, *, level: float = 0.95, seed: int = 0
) -> tuple[float, float]:
  """Percentile interval of the mean of values, nan left out.

  Args:
    values: [P], or [S, P] of S seeds of one model: pieces are drawn within each
      seed and the means of the seeds averaged, so the interval is of the pieces
      for these seeds; a seed without values is left out.
    level: coverage.
    seed: of the draws.

  Returns:
    (nan, nan) where there are no values.
  """
  rng = np.random.default_rng(seed)
  means = []
  for row in np.atleast_2d(np.asarray(values, np.float64)):
    row = row[~np.isnan(row)]
    if len(row):
      means.append(_weights(len(row), rng) @ row / len(row))
  if not means:
    return math.nan, math.nan
  return _percentiles(np.mean(means, 0), level)


def statistic_interval(
  statistic: Callable[..., float | np.ndarray],
  counts: Sequence[int],
  value: float | np.ndarray,
  *,
  level: float = 0.95,
  seed: int,
  resamples: int = 200,
) -> tuple[float | np.ndarray, float | np.ndarray]:
  """Interval of a figure of whole sets, such as a distance between them.

  Resamples repeat pieces, which shifts such figures (a set looks less diverse,
  two sets further apart). So only their spread is taken from the resamples:
  value + quantiles(resampled - their mean).

  Args:
    statistic: the figure, or an array of figures, of pieces whose numbers it is
      given as int64 arrays, one for each set.
    counts: pieces of each set.
    value: the figure of the sets as they are.
    level: coverage.
    seed: of the draws.
    resamples: how often the figure is computed.

  Returns:
    (low, high), arrays where the figure is one; nan where a set is empty or a
    resample has no figure.
  """
  if not all(counts):
    return np.nan * value, np.nan * value
  rng = np.random.default_rng(seed)
  drawn = np.stack(
    [
      statistic(*[rng.integers(0, count, count) for count in counts])
      for _ in range(resamples)
    ]
  )
  tail = (1 - level) / 2
  low, high = np.quantile(drawn, [tail, 1 - tail], axis=0) - drawn.mean(0)
  return value + low, value + high


def _resampled(columns: list[np.ndarray], seed: int) -> np.ndarray:
  """Sums [R, columns] over P pieces drawn with replacement."""
  weights = _weights(len(columns[0]), np.random.default_rng(seed))
  return weights @ np.stack(columns, 1)


def _weights(pieces: int, rng: np.random.Generator) -> np.ndarray:
  """How often each piece is drawn in each resample: [R, P]."""
  return rng.multinomial(pieces, np.full(pieces, 1 / pieces), size=RESAMPLES)


def _percentiles(values: np.ndarray, level: float) -> tuple[float, float]:
  tail = (1 - level) / 2
  low, high = np.quantile(values, [tail, 1 - tail])
  return float(low), float(high)
