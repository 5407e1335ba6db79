"""What each model costs: its size, its training, and its speed."""

from collections.abc import Sequence

import numpy as np

from musegen_jax.comparison import curves, tables
from musegen_jax.comparison.entries import Entry
from musegen_jax.comparison.tables import Cell, Column
from musegen_jax.evaluation import run as evaluation_run

COLUMNS = (
  Column("parameters", "Parameters", "", "Numbers that were learned."),
  Column("runs", "Seeds", "", "Runs that differ in their random numbers."),
  Column("steps", "Steps", "", "Updates up to the checkpoint."),
  Column("seconds", "Training time", "s", "Without validation, one run."),
  Column("notes", "Notes seen", "", "In training, repeats counted."),
  Column("epochs", "Epochs", "", "How often the training split was seen."),
  Column(
    "notes_per_second",
    "Training speed",
    "notes/s",
    "Median over the log, on the machine it was trained on.",
    "higher",
  ),
)


def table(entries: Sequence[Entry]) -> dict:
  """The table of training; means over seeds."""
  rows = {entry.name: _row(entry) for entry in entries if entry.model}
  return tables.make(
    "training",
    "Training",
    "Up to the checkpoint of lowest validation loss, mean over seeds.",
    COLUMNS,
    rows,
  )


def _row(entry: Entry) -> dict[str, Cell]:
  runs = entry.model.runs
  found = [curves.training(run) for run in runs]

  def mean(name: str) -> Cell:
    values = [getattr(each, name) for each in found]
    known = [value for value in values if value is not None]
    return tables.cell(float(np.mean(known))) if known else None

  return {
    "parameters": tables.cell(evaluation_run.count_parameters(runs[0].params)),
    "runs": tables.cell(len(runs)),
  } | {name: mean(name) for name in curves.Training._fields}


def speed(entries: Sequence[Entry]) -> dict:
  """Notes a second in sampling: clock time, so not part of report.json."""
  rows = []
  for entry in entries:
    if entry.kind not in ("real", "copy", "shuffled", "midi"):
      notes = sum(len(p.notes) for pieces in entry.pieces() for p in pieces)
      seconds = sum(drawn.seconds for drawn in entry.drawn)
      rows.append([entry.name, f"{notes / max(seconds, 1e-9):.0f}"])
  return {
    "columns": ["system", "notes/s in sampling, compilation included"],
    "rows": rows,
  }
