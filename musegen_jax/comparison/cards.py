"""What a report says of each system beside its figures."""

import pathlib

from musegen_jax.comparison import variety
from musegen_jax.comparison.entries import Entry
from musegen_jax.evaluation import run as evaluation_run

# Samples of a system that can be heard in the page.
HEARD = 4


def describe(entry: Entry, folder: pathlib.Path) -> dict:
  """The system as JSON, its files as seen from the report's folder."""
  files = [path for drawn in entry.drawn[:1] for path in drawn.files[:HEARD]]
  runs = entry.model.runs if entry.model else []
  return {
    "name": entry.name,
    "kind": entry.kind,
    "role": entry.role,
    "description": entry.description,
    "runs": [f"{run.path}, step {run.checkpoint.step}" for run in runs],
    "seeds": len(entry.drawn),
    "samples": sum(len(d.excerpts) + d.silent for d in entry.drawn),
    "degenerate": sum(variety.degenerate(d) for d in entry.drawn),
    "parameters": evaluation_run.count_parameters(runs[0].params)
    if runs
    else None,
    "files": [path.relative_to(folder).as_posix() for path in files],
  }
