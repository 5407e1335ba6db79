"""What a listener could tell of a piece, as numbers for a classifier.

The measures; how often there is which pitch class, step and length; and what
follows what, and falls where in the bar, which an order shuffled would change.
Transposition changes the mean pitch alone. Letters: P pieces, F features.
"""

from collections.abc import Sequence

import numpy as np

from musegen_jax.data.notes import Piece
from musegen_jax.evaluation.measures import rhythm, table, tonal
from musegen_jax.evaluation.measures.view import View

LONGEST_INTERVAL = 12
_INTERVALS = range(-LONGEST_INTERVAL, LONGEST_INTERVAL + 1)
# A step is a semitone or two.
_MOVES = ("leap down", "step down", "same", "step up", "leap up")
_MOVE_EDGES = (-2.5, -0.5, 0.5, 2.5)
_CHANGES = ("shorter", "equal", "longer")
_LENGTHS = tuple(f"{beats:.3g}" for beats in rhythm.LENGTHS)

# Histograms, each of sum 1, and the names of their classes.
_HISTOGRAMS = {
  "degree": range(12),
  "interval": _INTERVALS,
  "note length": _LENGTHS,
  "inter-onset": _LENGTHS,
  "position": range(rhythm.POSITIONS),
  "moves": [f"{one}, {two}" for one in _MOVES for two in _MOVES],
  "changes": [f"{one}, {two}" for one in _CHANGES for two in _CHANGES],
  "downbeat degree": range(12),
}
NAMES = tuple(measure.name for measure in table.MEASURES) + tuple(
  f"{histogram}: {value}"
  for histogram, values in _HISTOGRAMS.items()
  for value in values
)


def features(pieces: Sequence[Piece]) -> np.ndarray:
  """Numbers [P, F] of pieces, float64, in the order of NAMES; nan where
  undefined."""
  views = [View(piece) for piece in pieces]
  rows = [np.concatenate(_histograms(view)) for view in views]
  measures = table.values(views)
  shares = np.array(rows).reshape(len(rows), len(NAMES) - measures.shape[1])
  return np.concatenate([measures, shares], 1)


def _histograms(view: View) -> list[np.ndarray]:
  found = tonal.key(view)
  tonic = found.tonic if found else 0
  degrees = np.roll(tonal.pitch_class_histogram(view), -tonic)
  downbeats = _downbeats(view, tonic)
  intervals = view.intervals.clip(-LONGEST_INTERVAL, LONGEST_INTERVAL)
  gaps = np.diff(view.onset_ticks)
  # A hand strays by less than a quarter, written lengths differ by more.
  changes = np.searchsorted((0.8, 1.25), gaps[1:] / gaps[:-1])
  return [
    degrees if found else np.full(12, np.nan),
    _shares(intervals + LONGEST_INTERVAL, len(_INTERVALS)),
    rhythm.note_length_histogram(view),
    rhythm.inter_onset_histogram(view),
    rhythm.onset_position_histogram(view),
    _pairs(np.searchsorted(_MOVE_EDGES, view.intervals), len(_MOVES)),
    _pairs(changes, len(_CHANGES)),
    downbeats if found else np.full(12, np.nan),
  ]


def _downbeats(view: View, tonic: int) -> np.ndarray:
  """Pitch classes above the tonic of the top line on first steps of bars."""
  places = view.places_of(view.top_ticks)
  top = view.top_line[places.source[places.place == 0]]
  return _shares((top - tonic) % 12, 12)


def _pairs(classes: np.ndarray, count: int) -> np.ndarray:
  """Shares [count^2] of pairs of neighbours of values [K] below count."""
  return _shares(classes[:-1] * count + classes[1:], count * count)


def _shares(classes: np.ndarray, count: int) -> np.ndarray:
  """Shares [count] of values [K] below count, nan where there are none."""
  if not len(classes):
    return np.full(count, np.nan)
  return np.bincount(classes, minlength=count) / len(classes)
