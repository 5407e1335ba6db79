"""Measures of single pieces: tables of their means, and what tests compare.

Letters: S seeds, N pieces, M measures.
"""

from collections.abc import Sequence

import numpy as np

from musegen_jax.comparison import tables
from musegen_jax.comparison.entries import Entry
from musegen_jax.comparison.tables import Column
from musegen_jax.evaluation.measures import structure, table
from musegen_jax.evaluation.measures.table import Measure

# Measures of which more is not less like music of some kind: compared with real
# music alone.
STATISTICS = table.MEASURES
COHERENCE = structure.MEASURES

# [N, M] of each seed of each system.
Values = dict[str, list[np.ndarray]]


def measure(entries: Sequence[Entry]) -> tuple[Values, Values]:
  """STATISTICS and COHERENCE of every piece, drums judged as drums."""
  statistics, coherence = {}, {}
  for entry in entries:
    sets = entry.pieces()
    statistics[entry.name] = [table.per_piece(pieces) for pieces in sets]
    coherence[entry.name] = [structure.per_piece(pieces) for pieces in sets]
  return statistics, coherence


def statistics_table(values: Values) -> dict:
  """Means of STATISTICS."""
  return _table(
    "statistics",
    "Musical statistics",
    "Means over pieces. None is better high or low: the nearer to real music,"
    " the better.",
    STATISTICS,
    values,
  )


def coherence_table(values: Values) -> dict:
  """Means of COHERENCE."""
  return _table(
    "coherence",
    "Coherence",
    "How pieces hang together over time; means over pieces. Real music lies"
    " between no repetition and nothing else.",
    COHERENCE,
    values,
  )


def _table(
  key: str,
  title: str,
  caption: str,
  measures: Sequence[Measure],
  values: Values,
) -> dict:
  columns = [
    Column(m.name, m.title, m.unit, m.definition, "real") for m in measures
  ]
  rows = {
    name: {
      m.name: tables.mean_cell([seed[:, number] for seed in seeds])
      for number, m in enumerate(measures)
    }
    for name, seeds in values.items()
  }
  return tables.make(key, title, caption, columns, rows)
