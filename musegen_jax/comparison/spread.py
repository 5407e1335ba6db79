"""How features spread within each set, beside how far they lie from real music
(Yang & Lerch 2020).

Letters: S seeds, N samples, R reference excerpts.
"""

from collections.abc import Callable, Sequence

import numpy as np

from musegen_jax.comparison import tables
from musegen_jax.comparison.entries import Entry
from musegen_jax.comparison.piecewise import Values
from musegen_jax.comparison.tables import Cell, Column
from musegen_jax.data.notes import Piece
from musegen_jax.evaluation.measures import rhythm, set_distance, table, tonal
from musegen_jax.evaluation.measures.view import View

SEED = 0
# Resamples of figures that take a while.
RESAMPLES = 100
# Features of Yang & Lerch 2020 that one number says, and those that take a
# histogram or a matrix.
SCALARS = (
  "pitch_count",
  "pitch_class_count",
  "pitch_range",
  "mean_interval",
  "notes_per_beat",
  "mean_inter_onset_interval",
)
HISTOGRAMS: dict[str, Callable[[View], np.ndarray]] = {
  "pitch classes": tonal.pitch_class_histogram,
  "pitch-class transitions": tonal.pitch_class_transitions,
  "note lengths": rhythm.note_length_histogram,
  "inter-onset times": rhythm.inter_onset_histogram,
}


def spread_tables(
  entries: Sequence[Entry], statistics: Values, reference: list[Piece]
) -> list[dict]:
  """Overlapped area and divergence of each feature (Yang & Lerch 2020)."""
  known = {m.name: (n, m.title) for n, m in enumerate(table.MEASURES)}
  of_reference = table.per_piece(reference)
  overlap: dict[str, dict[str, Cell]] = {e.name: {} for e in entries}
  divergence: dict[str, dict[str, Cell]] = {e.name: {} for e in entries}
  columns = []
  for name in SCALARS:
    column, title = known[name]
    columns.append((name, title))
    for entry in entries:
      seeds = [rows[:, column] for rows in statistics[entry.name]]
      pair = _spread(seeds, of_reference[:, column])
      overlap[entry.name][name], divergence[entry.name][name] = pair
  views = {
    e.name: [[View(p) for p in pieces] for pieces in e.pieces()]
    for e in entries
  }
  real = [View(piece) for piece in reference]
  for title, function in HISTOGRAMS.items():
    name = title.replace(" ", "_")
    columns.append((name, title.capitalize()))
    of_real = _histograms(real, function)
    for entry in entries:
      seeds = [_histograms(own, function) for own in views[entry.name]]
      pair = _spread(seeds, of_real)
      overlap[entry.name][name], divergence[entry.name][name] = pair
  where = "of the distances within a set and of those to real music"
  return [
    tables.make(
      "overlap",
      "Overlapped area",
      f"Area under both densities, {where} (Yang and Lerch): 1 where they are"
      " the same.",
      [Column(n, t, "", f"{t}: area, 0 to 1.", "higher") for n, t in columns],
      overlap,
    ),
    tables.make(
      "divergence",
      "Kullback-Leibler divergence",
      f"Divergence of the densities {where}, on one grid.",
      [Column(n, t, "nats", f"{t}: 0 or more.", "lower") for n, t in columns],
      divergence,
    ),
  ]


def _histograms(
  views: list[View], function: Callable[[View], np.ndarray]
) -> np.ndarray:
  return np.array([np.ravel(function(view)) for view in views], np.float64)


def _spread(
  seeds: list[np.ndarray], reference: np.ndarray
) -> tuple[Cell, Cell]:
  """Overlap and divergence, means over seeds."""
  found, areas, gaps = [], [], []
  for rows in seeds:
    distances = set_distance.distances(rows, reference)
    found.append(set_distance.compare(distances))
    gap, area = set_distance.intervals(
      distances, seed=SEED, resamples=RESAMPLES
    )
    areas.append(area)
    gaps.append(gap)
  return (
    tables.set_cell([each.overlap for each in found], areas, 0, 1),
    tables.set_cell([each.divergence for each in found], gaps, 0),
  )
