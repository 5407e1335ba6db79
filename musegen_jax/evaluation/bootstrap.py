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
  pieces = len(numerator)
  rng = np.random.default_rng(seed)
  weights = rng.multinomial(pieces, np.full(pieces, 1 / pieces), size=RESAMPLES)
  totals = weights @ np.stack([numerator, denominator], 1)
  ratios = totals[:, 0] / np.maximum(totals[:, 1], 1e-12)
  tail = (1 - level) / 2
  low, high = np.quantile(ratios, [tail, 1 - tail])
  return float(low), float(high)
