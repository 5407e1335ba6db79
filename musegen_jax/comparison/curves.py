"""How runs learned: their losses against steps, epochs, seconds and notes."""

import statistics
from typing import NamedTuple

from musegen_jax.comparison import systems, tables
from musegen_jax.comparison.systems import Model, Run
from musegen_jax.training import writer

# Points a run that are kept: more cannot be seen.
MOST = 200


class Training(NamedTuple):
  """What a run's metrics say of its training; None where they do not.

  Attributes:
    steps: updates.
    seconds: without validation.
    notes: seen.
    epochs: of the training split.
    notes_per_second: median over the log.
  """

  steps: int
  seconds: float | None
  notes: int | None
  epochs: float | None
  notes_per_second: float | None


def _metrics(run: Run) -> list[dict]:
  """Rows up to the checkpoint; none for a checkpoint without its run."""
  folder = systems.metrics_dir(run)
  rows = writer.read_metrics(folder) if folder else []
  return [row for row in rows if row.get("step", 0) <= run.checkpoint.step]


def training(run: Run) -> Training:
  """Totals up to the checkpoint that is compared."""
  rows = [row for row in _metrics(run) if "train/loss" in row]
  speeds = [row["train/notes_per_second"] for row in rows]
  last = rows[-1] if rows else {}
  return Training(
    run.checkpoint.step,
    last.get("train/seconds"),
    last.get("train/notes"),
    last.get("train/epoch"),
    statistics.median(speeds) if speeds else None,
  )


def points(run: Run) -> list[dict]:
  """Training and validation loss at each step that was logged."""
  found: dict[int, dict] = {}
  for row in _metrics(run):
    if not {"train/loss", "valid/loss"} & row.keys():
      continue
    point = found.setdefault(row["step"], dict.fromkeys(_KEYS))
    for key, name in _KEYS.items():
      if name in row:
        point[key] = tables.rounded(row[name])
  rows = [{"step": step} | point for step, point in sorted(found.items())]
  thin = max(1, -(-len(rows) // MOST))
  return [
    row
    for number, row in enumerate(rows)
    if row["valid"] is not None or number % thin == 0
  ]


_KEYS = {
  "epoch": "train/epoch",
  "seconds": "train/seconds",
  "notes": "train/notes",
  "train": "train/loss",
  "valid": "valid/loss",
}


def make(models: list[Model]) -> dict:
  """The curves of all runs, as JSON.

  A VAE's loss holds the KL as its config weighs it: it is no likelihood.
  """
  runs = [
    {"system": model.name, "run": str(run.path), "points": points(run)}
    for model in models
    for run in model.runs
  ]
  return {
    "unit": "nats an event; a VAE's with the KL as its config weighs it",
    "runs": [each for each in runs if each["points"]],
  }
