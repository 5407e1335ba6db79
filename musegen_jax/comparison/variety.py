"""How varied a set is: distinct stretches, distances, duplicates, and pieces
that are no music worth measuring.

Letters: S seeds, N samples.
"""

import functools
from collections.abc import Sequence

import numpy as np

from musegen_jax.comparison import tables
from musegen_jax.comparison.draws import Drawn
from musegen_jax.comparison.entries import Entry
from musegen_jax.comparison.tables import Cell, Column
from musegen_jax.evaluation.measures import diversity

SEED = 0
DISTINCT = (1, 2, 3, 4)
RESAMPLES = 100


def degenerate(drawn: Drawn) -> int:
  """Samples of one seed that are no music worth measuring, silent ones too."""
  pieces = [excerpt.piece for excerpt in drawn.excerpts]
  return drawn.silent + sum(bool(diversity.is_degenerate(p)) for p in pieces)


def diversity_table(entries: Sequence[Entry]) -> dict:
  """How varied each set is; degenerate pieces count."""
  columns = [
    Column(
      f"distinct_{n}",
      f"Distinct {n}-grams",
      "",
      f"Share of different ones among {diversity.DISTINCT_SAMPLE} stretches of"
      f" {n} steps drawn from the set.",
      "real",
    )
    for n in DISTINCT
  ]
  columns += [
    Column(
      "self_bleu",
      "Self-BLEU",
      "",
      "How much of each piece is said by the other pieces: 1 for copies.",
      "real",
    ),
    Column(
      "edit_distance",
      "Distance of pieces",
      "",
      "Mean share of notes that must be changed to make one piece another.",
      "real",
    ),
    Column(
      "near_duplicates",
      "Near-duplicates",
      "",
      "Share of pieces that are nearly an earlier one of the set.",
      "lower",
    ),
    Column(
      "degenerate",
      "Degenerate",
      "",
      "Share of pieces that are silent, of fewer than three pitches, or of one"
      " pitch almost throughout.",
      "lower",
    ),
  ]
  rows = {entry.name: _diversity(entry) for entry in entries}
  return tables.make(
    "diversity",
    "Diversity",
    "Within each set; of several seeds the mean.",
    columns,
    rows,
  )


def _diversity(entry: Entry) -> dict[str, Cell]:
  arrays: dict[str, list[np.ndarray]] = {}
  rows_of_seeds = []
  for pieces, drawn in zip(entry.pieces(), entry.drawn, strict=True):
    rows = [diversity.tokens(piece) for piece in pieces]
    rows_of_seeds.append(rows)
    poor = [bool(diversity.is_degenerate(piece)) for piece in pieces]
    found = {
      "self_bleu": diversity.self_bleu(rows, SEED),
      "edit_distance": diversity.distances(rows, SEED),
      "near_duplicates": diversity.near_duplicates(pieces).astype(float),
      "degenerate": np.array(poor + [True] * drawn.silent, float),
    }
    for key, values in found.items():
      arrays.setdefault(key, []).append(values)
  distinct = {
    f"distinct_{n}": tables.statistic_cell(
      rows_of_seeds,
      functools.partial(diversity.distinct, order=n),
      resamples=RESAMPLES,
      low=0,
      high=1,
    )
    for n in DISTINCT
  }
  means = {key: tables.mean_cell(seeds) for key, seeds in arrays.items()}
  return distinct | means
