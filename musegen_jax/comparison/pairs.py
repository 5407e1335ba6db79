"""Which differences between models are more than chance.

Permutation tests of every pair of models in every figure of single pieces, with
Holm's correction over all of them. Letters: W held-out excerpts, N samples.
"""

import itertools
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from musegen_jax.comparison import tables
from musegen_jax.comparison.accuracy import Scored
from musegen_jax.comparison.entries import MODEL, Entry
from musegen_jax.comparison.novelty import Found
from musegen_jax.comparison.piecewise import COHERENCE, STATISTICS, Values
from musegen_jax.evaluation import bootstrap, permutation

SEED = 0
RESAMPLES = 400


class Test(NamedTuple):
  """One comparison: first less second, [value, low, high], and its p."""

  measure: str
  first: str
  second: str
  difference: list[float | None]
  p: float
  paired: bool


def make(
  entries: Sequence[Entry],
  scored: dict[str, Scored],
  notes: np.ndarray,
  statistics: Values,
  coherence: Values,
  novelty: Found,
) -> list[dict]:
  """All tests, as JSON, in the order of their corrected p.

  Args:
    entries: the rows; models among them are compared.
    scored: of `accuracy.score`.
    notes: of the excerpts, [W].
    statistics: of every piece.
    coherence: likewise.
    novelty: likewise.
  """
  names = [entry.name for entry in entries if entry.role == MODEL]
  tests: list[Test] = []
  for first, second in itertools.combinations(names, 2):
    tests += _on_excerpts(first, second, scored, notes)
    for measures, values in ((STATISTICS, statistics), (COHERENCE, coherence)):
      for column, measure in enumerate(measures):
        pair = (_column(values[name], column) for name in (first, second))
        tests += _unpaired(measure.title, first, second, *pair)
    runs = (
      np.concatenate([seed.run_notes for seed in novelty.novelty[name]])
      for name in (first, second)
    )
    tests += _unpaired("Longest copied run", first, second, *runs)
  adjusted = permutation.holm(np.array([test.p for test in tests]))
  rows = [
    test._asdict()
    | {"p": tables.rounded(test.p), "p_holm": tables.rounded(corrected)}
    for test, corrected in zip(tests, adjusted, strict=True)
  ]
  return sorted(rows, key=lambda row: row["p_holm"])


def _column(seeds: list[np.ndarray], column: int) -> np.ndarray:
  return np.concatenate([seed[:, column] for seed in seeds])


def _on_excerpts(
  first: str, second: str, scored: dict[str, Scored], notes: np.ndarray
) -> list[Test]:
  """Tests on the same held-out excerpts: paired."""
  one, other = (scored.get(name) for name in (first, second))
  tests: list[Test] = []
  if one is None or other is None:
    return tests
  if one.nats is not None and other.nats is not None:
    apart = one.nats - other.nats
    tests += _paired("NLL a note", first, second, apart, notes)
  if one.continued and other.continued:
    apart = np.mean(one.continued, axis=0) - np.mean(other.continued, axis=0)
    known = np.isfinite(apart)
    ones = np.ones(int(known.sum()))
    tests += _paired("Continuation F1", first, second, apart[known], ones)
  return tests


def _paired(
  measure: str, first: str, second: str, apart: np.ndarray, size: np.ndarray
) -> list[Test]:
  """A test of the sum of differences over the sum of sizes; none of none."""
  if not len(apart):
    return []
  value = float(apart.sum() / max(size.sum(), 1e-12))
  cell = tables.cell(value, bootstrap.ratio_interval(apart, size))
  p_value = permutation.paired(apart, SEED)
  return [Test(measure, first, second, cell, p_value, True)]


def _unpaired(
  measure: str, first: str, second: str, one: np.ndarray, other: np.ndarray
) -> list[Test]:
  """A test of two means; none where a set has no values, or all are equal."""
  one, other = (values[np.isfinite(values)] for values in (one, other))
  if not (len(one) and len(other)):
    return []
  if np.ptp(np.concatenate([one, other])) == 0:
    return []

  def apart(ours: np.ndarray, theirs: np.ndarray) -> float:
    return one[ours].mean() - other[theirs].mean()

  value = float(one.mean() - other.mean())
  interval = bootstrap.statistic_interval(
    apart, (len(one), len(other)), value, seed=SEED, resamples=RESAMPLES
  )
  p_value = permutation.unpaired(one, other, SEED)
  cell = tables.cell(value, interval)
  return [Test(measure, first, second, cell, p_value, False)]
