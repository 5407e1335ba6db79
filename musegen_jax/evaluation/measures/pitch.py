"""Which pitches a piece uses, and the steps of its top line.

Drums are left out of everything here but `velocity_entropy`. Where there are
too few notes the value is nan. MGEval: Yang & Lerch, "On the evaluation of
generative models in music" (2020); MusPy: Dong et al. (2020).
"""

import math

import numpy as np

from musegen_jax.evaluation.measures.view import View

# Steps of more semitones, from a fourth on, are leaps.
LARGEST_STEP = 4


def pitch_count(view: View) -> float:
  """Number of different pitches, 0..128 (MusPy `n_pitches_used`)."""
  return float(np.count_nonzero(view.pitch_counts))


def pitch_class_count(view: View) -> float:
  """Number of different pitch classes, 0..12 (MusPy
  `n_pitch_classes_used`)."""
  return float(np.count_nonzero(view.pitch_class_counts))


def pitch_entropy(view: View) -> float:
  """Shannon entropy of the pitches of the notes in bits, 0..7 (MusPy)."""
  return _entropy(view.pitch_counts)


def pitch_class_entropy(view: View) -> float:
  """Shannon entropy of the pitch classes of the notes in bits, 0..log2(12)
  (MusPy; Wu & Yang 2020 over windows)."""
  return _entropy(view.pitch_class_counts)


def pitch_range(view: View) -> float:
  """Highest minus lowest pitch in semitones, 0..127 (MusPy, MGEval PR)."""
  if not len(view.pitches):
    return math.nan
  return float(view.pitches.max() - view.pitches.min())


def mean_pitch(view: View) -> float:
  """Mean MIDI number of the notes, 0..127."""
  return float(view.pitches.mean()) if len(view.pitches) else math.nan


def mean_interval(view: View) -> float:
  """Mean size of the steps of the top line in semitones, 0..127 (MGEval PI,
  there over all notes)."""
  return _mean(np.abs(view.intervals))


def share_of_leaps(view: View) -> float:
  """Share of steps of the top line of more than 4 semitones, 0..1."""
  return _mean(np.abs(view.intervals) > LARGEST_STEP)


def repeated_note_rate(view: View) -> float:
  """Share of steps of the top line that stay on the pitch, 0..1."""
  return _mean(view.intervals == 0)


def longest_repetition(view: View) -> float:
  """Most notes in a row of one pitch in the top line, 1 or more."""
  if not len(view.top_line):
    return math.nan
  moved = np.flatnonzero(view.intervals) + 1
  bounds = np.concatenate([[0], moved, [len(view.top_line)]])
  return float(np.diff(bounds).max())


def velocity_entropy(view: View) -> float:
  """Shannon entropy of the velocities of the notes in bits, 0..7, drums
  included."""
  return _entropy(np.bincount(view.piece.notes["velocity"], minlength=128))


def _entropy(counts: np.ndarray) -> float:
  counts = counts[counts > 0]
  if not len(counts):
    return math.nan
  shares = counts / counts.sum()
  # Of one value it is 0, not -0.
  return abs(float(shares @ np.log2(shares)))


def _mean(values: np.ndarray) -> float:
  return float(values.mean()) if len(values) else math.nan
