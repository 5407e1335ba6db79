"""How a piece keeps to a key: scales, Krumhansl's key strength, pitch classes.

Drums are left out; where there are no notes the value is nan.
"""

import functools
import math
from typing import NamedTuple

import numpy as np

from musegen_jax.evaluation.measures.view import View

# Weights of the pitch classes above the tonic, in major and in minor.
Profiles = tuple[tuple[float, ...], tuple[float, ...]]

# Temperley's profiles from the Kostka-Payne corpus (Music and Probability,
# 2007): on Bach chorales they found the key of the signature in 86 % of pieces,
# those of Krumhansl and Kessler in 74 %.
# fmt: off
TEMPERLEY: Profiles = (
  (.748, .060, .488, .082, .670, .460, .096, .715, .104, .366, .057, .400),
  (.712, .084, .474, .618, .049, .460, .105, .747, .404, .067, .133, .330),
)
# The probe-tone ratings of Krumhansl and Kessler (1982).
KRUMHANSL_KESSLER: Profiles = (
  (6.35, 2.23, 3.48, 2.33, 4.38, 4.09, 2.52, 5.19, 2.39, 3.66, 2.29, 2.88),
  (6.33, 2.68, 3.52, 5.38, 2.60, 3.53, 2.54, 4.75, 3.98, 2.69, 3.34, 3.17),
)
# fmt: on
# Natural minor, so that a key and its relative hold the same notes and a
# mistake between the two changes nothing.
SCALES = {"major": (0, 2, 4, 5, 7, 9, 11), "minor": (0, 2, 3, 5, 7, 8, 10)}


class Key(NamedTuple):
  """A key: tonic 0..11 from C, mode "major" or "minor", and its strength."""

  tonic: int
  mode: str
  strength: float


def pitch_in_scale_rate(view: View, root: int, mode: str) -> float:
  """Share of notes in the scale on `root` (0..11), 0..1 (MusPy).

  `mode` is "major" or "minor" (natural).
  """
  counts = view.pitch_class_counts
  if not counts.any():
    return math.nan
  inside = (np.array(SCALES[mode]) + root) % 12
  return float(counts[inside].sum() / counts.sum())


def scale_consistency(view: View) -> float:
  """Largest share of notes in one scale, 0..1 (MusPy; Mogren 2016)."""
  counts = view.pitch_class_counts
  if not counts.any():
    return math.nan
  # Natural minor scales are major ones on another root.
  return float((_scale_table() @ counts).max() / counts.sum())


def in_key_rate(view: View) -> float:
  """Share of notes in the scale of the piece's `key`, 0..1."""
  found = key(view)
  if found is None:
    return math.nan
  return pitch_in_scale_rate(view, found.tonic, found.mode)


def key(view: View, profiles: Profiles = TEMPERLEY) -> Key | None:
  """The key whose profile correlates best with `pitch_class_histogram`.

  Pearson's correlation over 24 keys (Krumhansl 1990, chapter 4). Of keys alike
  the first above the last note of the top line, major before minor. None where
  there are no notes or all pitch classes sound equally long.
  """
  durations = _durations(view)
  spread = durations.std()
  if spread == 0:
    return None
  # From the last note up, so that transposed music gives transposed keys.
  last = int(view.top_line[-1]) % 12
  turned = (np.roll(durations, -last) - durations.mean()) / spread
  scores = _profile_table(profiles) @ turned / 12
  best = int(scores.argmax())
  mode = "minor" if best >= 12 else "major"
  return Key((best + last) % 12, mode, float(scores[best]))


def key_strength(view: View, profiles: Profiles = TEMPERLEY) -> float:
  """Correlation of the pitch classes with the profile of the best key, -1..1
  (Krumhansl 1990)."""
  found = key(view, profiles)
  return math.nan if found is None else found.strength


def pitch_class_histogram(view: View) -> np.ndarray:
  """Share of each pitch class in the sounding time of all notes, float64 [12],
  sum 1."""
  durations = _durations(view)
  total = durations.sum()
  return durations / total if total else np.full(12, np.nan)


def pitch_class_transitions(view: View) -> np.ndarray:
  """Shares of the steps of the top line from pitch class (row) to pitch class
  (column), float64 [12, 12], sum 1 (MGEval PCTM, there as counts)."""
  classes = view.top_line % 12
  if len(classes) < 2:
    return np.full((12, 12), np.nan)
  steps = np.bincount(classes[:-1] * 12 + classes[1:], minlength=144)
  return steps.reshape(12, 12) / (len(classes) - 1)


def _durations(view: View) -> np.ndarray:
  """Ticks [12] that each pitch class sounds, float64; voices add up."""
  weights = view.pitched["duration_ticks"]
  return np.bincount(view.pitches % 12, weights, minlength=12)


@functools.cache
def _scale_table() -> np.ndarray:
  """[12, 12]: is the pitch class (column) in the major scale on the row?"""
  inside = np.isin(np.arange(12), SCALES["major"]).astype(np.int64)
  return np.stack([np.roll(inside, root) for root in range(12)])


@functools.cache
def _profile_table(profiles: Profiles) -> np.ndarray:
  """Standardised profiles [24, 12], major keys first."""
  rows = []
  for values in profiles:
    profile = (np.array(values) - np.mean(values)) / np.std(values)
    rows += [np.roll(profile, tonic) for tonic in range(12)]
  return np.array(rows)
