"""Musical attributes of windows.

Letters: W windows, T steps, A attributes.
"""

import numpy as np

from musegen_jax.data.codecs.codec import Codec
from musegen_jax.evaluation.measures import tonal

NAMES = (
  "note_density",
  "mean_pitch",
  "mean_interval",
  "syncopation",
  "fraction_in_key",
)


def compute(tokens: np.ndarray, codec: Codec) -> np.ndarray:
  """Attributes of windows [W, T] in the order of NAMES: float64 [W, A].

  - note_density: notes a time step.
  - mean_pitch: of the notes, MIDI numbers.
  - mean_interval: size of the step from one note to the next, semitones.
  - syncopation: how much stronger the strongest step a note is held or silent
    over is than the one it begins on, in levels of the meter (Longuet-Higgins &
    Lee 1984), mean over notes, 0 where it is not stronger.
  - fraction_in_key: share of notes in the scale of the best of 24 keys.

  Notes that begin together count as `codec.grammar.opens` has them. nan where
  undefined: no note (for intervals two), no pitches (drums), no meter.
  """
  grammar = codec.grammar
  onsets = grammar.opens[tokens] >= 0
  pitched = onsets & codec.is_pitch[tokens]
  pitch = np.where(pitched, grammar.opens[tokens], 0)
  with np.errstate(invalid="ignore", divide="ignore"):
    columns = [
      grammar.note_counts[tokens].sum(1) / grammar.steps[tokens].sum(1),
      pitch.sum(1) / pitched.sum(1),
      _mean_interval(pitch, pitched),
      _syncopation(tokens, onsets, codec),
      _fraction_in_key(pitch, pitched),
    ]
  values = np.stack(columns, 1).astype(np.float64)
  return np.where(np.isfinite(values), values, np.nan)


def _mean_interval(pitch: np.ndarray, pitched: np.ndarray) -> np.ndarray:
  total = np.zeros(len(pitch))
  last = np.full(len(pitch), -1)
  for step in range(pitch.shape[1]):
    here = pitched[:, step]
    second = here & (last >= 0)
    total += np.where(second, np.abs(pitch[:, step] - last), 0)
    last = np.where(here, pitch[:, step], last)
  return total / np.where(pitched.sum(1) > 1, pitched.sum(1) - 1, np.nan)


def meter_weights(bar_steps: int) -> np.ndarray:
  """Metrical weight of each sixteenth of a bar, [bar_steps] int.

  0 for its first step, one less for every level of the meter further down:
  halves of a 4/4 bar, quarters, eighths, sixteenths. A bar of 12 sixteenths is
  read as 3/4, not as 6/8: the tokens do not tell.
  """
  periods = [period for period in (8, 4, 2, 1) if bar_steps % period == 0]
  step = np.arange(bar_steps)
  return -sum(
    (step % period != 0).astype(int) for period in {bar_steps, *periods}
  )


def _syncopation(
  tokens: np.ndarray, onsets: np.ndarray, codec: Codec
) -> np.ndarray:
  result = np.full(len(tokens), np.nan)
  if codec.grid is None:
    return result
  slots = codec.grid.bar_steps
  bar_steps = (tokens[:, :slots] != codec.pad).sum(1)
  for length in np.unique(bar_steps[bar_steps > 0]):
    chosen = bar_steps == length
    bars = onsets[chosen].reshape(chosen.sum(), -1, slots)[:, :, :length]
    weights = np.tile(meter_weights(length), bars.shape[1])
    result[chosen] = _strength(bars.reshape(len(bars), -1), weights)
  return result


def _strength(onsets: np.ndarray, weights: np.ndarray) -> np.ndarray:
  """Mean syncopation of onsets [W, T], from the last step to the first."""
  total = np.zeros(len(onsets))
  ahead = np.full(len(onsets), -np.inf)  # strongest step up to the next onset
  for step in reversed(range(len(weights))):
    here = onsets[:, step]
    total += np.where(here, np.maximum(ahead - weights[step], 0), 0)
    ahead = np.where(here, -np.inf, np.maximum(ahead, weights[step]))
  return total / onsets.sum(1)


def _fraction_in_key(pitch: np.ndarray, pitched: np.ndarray) -> np.ndarray:
  counts = np.stack(
    [((pitch % 12 == pc) & pitched).sum(1) for pc in range(12)], 1
  ).astype(float)
  profiles, scales = [], []
  modes = zip(tonal.TEMPERLEY, tonal.SCALES.values(), strict=True)
  for values, scale in modes:
    profile = (np.array(values) - np.mean(values)) / np.std(values)
    inside = np.isin(np.arange(12), scale).astype(float)
    profiles += [np.roll(profile, tonic) for tonic in range(12)]
    scales += [np.roll(inside, tonic) for tonic in range(12)]
  # Standardised profiles: the best product is the best correlation.
  best = (counts @ np.array(profiles).T).argmax(1)
  return (counts * np.array(scales)[best]).sum(1) / counts.sum(1)
