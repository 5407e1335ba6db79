"""Confidence intervals by resampling pieces. P pieces, R resamples."""

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


def _resampled(columns: list[np.ndarray], seed: int) -> np.ndarray:
  """Sums [R, columns] over P pieces drawn with replacement."""
  pieces = len(columns[0])
  rng = np.random.default_rng(seed)
  weights = rng.multinomial(pieces, np.full(pieces, 1 / pieces), size=RESAMPLES)
  return weights @ np.stack(columns, 1)


def _percentiles(values: np.ndarray, level: float) -> tuple[float, float]:
  tail = (1 - level) / 2
  low, high = np.quantile(values, [tail, 1 - tail])
  return float(low), float(high)
