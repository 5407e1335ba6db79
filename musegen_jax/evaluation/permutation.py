"""Permutation tests of differences between models (Good 2005; Phipson & Smyth
2010). P pieces, N and M values, K tests.
"""

import itertools
import math

import numpy as np

PERMUTATIONS = 10_000
_VALUES_AT_ONCE = 1_000_000


def paired(differences: np.ndarray, seed: int = 0) -> float:
  """p-value of a difference between two models on the same pieces, two-sided.

  If there is none, each difference might have the other sign.

  Args:
    differences: [P], nan left out. For figures such as nats a note, where the
      denominators are of the pieces, the differences of the numerators.
    seed: of the flips; all are counted where there are at most PERMUTATIONS.

  Returns:
    p, at least 1 / (1 + PERMUTATIONS); nan without differences.
  """
  values = _defined(differences)
  if not len(values):
    return math.nan
  if 2 ** len(values) <= PERMUTATIONS:
    flips = np.array(list(itertools.product([1.0, -1.0], repeat=len(values))))
    return _p_value(values.sum(), flips @ values, values, whole=True)
  rng = np.random.default_rng(seed)
  sums = [
    2.0 * rng.integers(0, 2, (rows, len(values))) @ values - values.sum()
    for rows in _blocks(len(values))
  ]
  return _p_value(values.sum(), np.concatenate(sums), values, whole=False)


def unpaired(first: np.ndarray, second: np.ndarray, seed: int = 0) -> float:
  """p-value of a difference between two means, two-sided.

  If there is none, each value might be of the other set.

  Args:
    first: [N], nan left out.
    second: [M], likewise.
    seed: of the permutations; all are counted where there are at most
      PERMUTATIONS.

  Returns:
    p, at least 1 / (1 + PERMUTATIONS); nan where a set is empty.
  """
  first, second = _defined(first), _defined(second)
  if not (len(first) and len(second)):
    return math.nan
  values = np.concatenate([first, second])
  # With the mean at 0 the difference goes as the sum of the first set.
  values -= values.mean()
  count, total = len(first), len(values)
  if math.comb(total, count) <= PERMUTATIONS:
    chosen = np.array(list(itertools.combinations(range(total), count)))
    sums = values[chosen].sum(1)
    return _p_value(values[:count].sum(), sums, values, whole=True)
  rng = np.random.default_rng(seed)
  sums = [
    rng.permuted(np.tile(values, (rows, 1)), axis=1)[:, :count].sum(1)
    for rows in _blocks(total)
  ]
  return _p_value(
    values[:count].sum(), np.concatenate(sums), values, whole=False
  )


def holm(p_values: np.ndarray) -> np.ndarray:
  """Adjusts p-values [K] for their number (Holm 1979): below a level with at
  most that chance of any error. nan is no test and stays nan."""
  p_values = np.asarray(p_values, np.float64)
  adjusted = np.full(len(p_values), np.nan)
  order = np.argsort(p_values)[: int((~np.isnan(p_values)).sum())]
  factors = np.arange(len(order), 0, -1)
  steps = np.maximum.accumulate(p_values[order] * factors)
  adjusted[order] = np.minimum(steps, 1)
  return adjusted


def _defined(values: np.ndarray) -> np.ndarray:
  values = np.asarray(values, np.float64)
  return values[~np.isnan(values)]


def _blocks(width: int) -> list[int]:
  """Rows of blocks that make PERMUTATIONS and are small enough to hold."""
  rows = max(_VALUES_AT_ONCE // width, 1)
  return [
    min(rows, PERMUTATIONS - done) for done in range(0, PERMUTATIONS, rows)
  ]


def _p_value(
  observed: float, sums: np.ndarray, values: np.ndarray, whole: bool
) -> float:
  """Share of sums as far from 0; sampled ones with the observed as one more."""
  slack = 1e-12 * np.abs(values).sum()
  hits = int((np.abs(sums) >= abs(observed) - slack).sum())
  if whole:
    return hits / len(sums)
  return (1 + hits) / (1 + len(sums))
