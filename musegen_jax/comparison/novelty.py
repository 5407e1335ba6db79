"""The table of novelty: what each system has in common with the training split,
beside what held-out music has."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from musegen_jax.comparison import tables
from musegen_jax.comparison.entries import MODEL, Entry
from musegen_jax.comparison.tables import Cell, Column
from musegen_jax.data.notes import Piece
from musegen_jax.evaluation.measures import novelty, novelty_index
from musegen_jax.evaluation.measures.novelty import Flags, Novelty

RESAMPLES = 400
# Columns that are means of a field of Novelty.
MEANS = ("run_notes", "run_bars", "share_8", "share_12", "distance")
COLUMNS = (
  Column(
    "run_notes",
    "Longest copied run",
    "notes",
    "The longest stretch of a piece that a training piece has too, in whatever"
    " key; mean over pieces.",
    "real",
  ),
  Column(
    "run_95",
    "Longest, 95th percentile",
    "notes",
    "One piece in twenty has a longer run than this.",
    "real",
  ),
  Column("run_bars", "The same in bars", "bars", "Its length in bars.", "real"),
  Column(
    "share_8",
    "8-grams known",
    "",
    "Share of stretches of eight steps that some training piece has.",
    "real",
  ),
  Column(
    "share_12",
    "12-grams known",
    "",
    "Share of stretches of twelve steps that some training piece has.",
    "real",
  ),
  Column(
    "distance",
    "Distance to nearest",
    "",
    "Share of steps that must be changed to find the piece in the training"
    " piece most like it: 0 for a copy.",
    "real",
  ),
  Column(
    "flagged",
    "Copies",
    "",
    "Share of pieces whose longest run is longer than those of 99 in 100"
    " held-out pieces.",
    "lower",
  ),
)


class Found(NamedTuple):
  """Novelty and flags of every system, one a seed of each; the flags say which
  samples share more than the reference excerpts do.

  Attributes:
    novelty: by system.
    flags: by system.
    training: pieces that were searched.
  """

  novelty: dict[str, list[Novelty]]
  flags: dict[str, list[Flags]]
  training: int


def measure(
  entries: Sequence[Entry], reference: list[Piece], training: list[Piece]
) -> Found:
  """Searches the training pieces for what the samples say."""
  index = novelty_index.build(training)
  held_out = novelty.measure(reference, index)
  found = {
    entry.name: [novelty.measure(pieces, index) for pieces in entry.pieces()]
    for entry in entries
  }
  flags = {
    name: [novelty.flagged(seed, held_out) for seed in seeds]
    for name, seeds in found.items()
  }
  return Found(found, flags, len(training))


def warnings(entries: Sequence[Entry], found: Found) -> list[str]:
  """A line for each model that copies."""
  lines = []
  for entry in entries:
    flags = found.flags[entry.name]
    if entry.role == MODEL and any(each.copies for each in flags):
      share = np.mean([each.share for each in flags])
      lines.append(
        f"{entry.name} copies its training music: {share:.0%} of its samples"
        " share longer stretches with it than held-out music does"
      )
  return lines


def table(found: Found) -> dict:
  """The table."""
  rows = {
    name: _row(seeds, found.flags[name])
    for name, seeds in found.novelty.items()
  }
  return tables.make(
    "novelty",
    "Novelty",
    f"Against {found.training} training pieces, in every transposition."
    " Held-out music has common turns too: the row of real music is the"
    " yardstick.",
    COLUMNS,
    rows,
  )


def _row(seeds: list[Novelty], flagged: list[Flags]) -> dict[str, Cell]:
  cells = {
    name: tables.mean_cell([getattr(each, name) for each in seeds])
    for name in MEANS
  }
  marks = [each.pieces.astype(float) for each in flagged]
  runs = [each.run_notes[np.isfinite(each.run_notes)] for each in seeds]
  return cells | {
    "run_95": tables.statistic_cell(
      [values for values in runs if len(values)],
      lambda chosen: float(np.percentile(chosen, 95)),
      resamples=RESAMPLES,
      low=0,
    ),
    "flagged": tables.mean_cell(marks),
  }
