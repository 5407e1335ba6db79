"""What comes again from bar to bar.

Bars in which no note begins are left out. Letters used in shapes: N notes, B
bars, L lags, R orders of the bars.
"""

import functools
import math
from typing import NamedTuple

import numpy as np

from musegen_jax.data import minhash
from musegen_jax.evaluation.measures.view import LONGEST_BAR, View

LAGS = 16
SHUFFLES = 8
MAX_BARS = 256


class Bars(NamedTuple):
  """Notes by the bar they begin in.

  Attributes:
    index: int64 [N], of the note's bar among the B.
    place: int64 [N], sixteenths from the bar's start.
    sound: int64 [N], pitch, or 128 + pitch of a drum.
    numbers: int64 [B], the bars' numbers in the piece, ascending.
    vectors: float64 [B, 24 + LONGEST_BAR], each of length 1.
  """

  index: np.ndarray
  place: np.ndarray
  sound: np.ndarray
  numbers: np.ndarray
  vectors: np.ndarray


def repetition_rate(view: View) -> float:
  """Share of bars, from the second on, that equal an earlier one, 0..1.

  Equal: the same pitches and drums begin on the same sixteenths; lengths and
  loudness do not count.
  """
  found = bars(view)
  if len(found.numbers) < 2:
    return math.nan
  size = 256 * LONGEST_BAR
  events = np.unique(found.index * size + found.place * 256 + found.sound)
  index, event = np.divmod(events, size)
  first = np.searchsorted(index, np.arange(len(found.numbers)))
  # The sum of its events' hashes stands for a bar.
  hashes = np.add.reduceat(minhash.mix(event.astype(np.uint64)), first)
  return float(1 - (len(np.unique(hashes)) - 1) / (len(hashes) - 1))


def bar_similarity(view: View) -> float:
  """Mean similarity of neighbouring bars, 0..1; see `bars`."""
  return float(lag_profile(view, 1)[0])


def bar_order(view: View) -> float:
  """`bar_similarity` over its mean with the bars shuffled.

  That is the mean over all pairs of bars, so nothing is drawn. Above 1 where
  neighbours are more alike than other bars, below 1 where bars alternate.
  """
  vectors = bars(view).vectors
  count = len(vectors)
  if count < 2:
    return math.nan
  every = ((vectors.sum(0) ** 2).sum() - count) / (count * (count - 1))
  return bar_similarity(view) / float(every) if every > 1e-9 else math.nan


def bar_period(view: View) -> float:
  """How much more alike bars are at the piece's best period than by chance.

  The greatest mean similarity at any lag from one bar to half of the bars, over
  its mean in SHUFFLES random orders of the bars (seeded by their number). 1
  where the order says nothing, or all bars are alike. Of the first MAX_BARS.
  """
  vectors = bars(view).vectors[:MAX_BARS]
  count = len(vectors)
  if count < 4:
    return math.nan
  rng = np.random.default_rng(count)
  orders = [np.arange(count)]
  orders += [rng.permutation(count) for _ in range(SHUFFLES)]
  order = np.stack(orders)
  similarity = (vectors @ vectors.T)[order[:, :, None], order[:, None]]
  peaks = _lag_means(similarity)[:, 1 : count // 2 + 1].max(1)
  chance = float(peaks[1:].mean())
  return float(peaks[0]) / chance if chance > 1e-9 else math.nan


def lag_profile(view: View, lags: int = LAGS) -> np.ndarray:
  """Mean similarity of bars 1, 2, ... `lags` apart: float64 [L], 0..1.

  nan where no two bars lie so far apart; see `bars`.
  """
  found = bars(view)
  numbers, vectors = found.numbers, found.vectors
  result = np.full(lags, np.nan)
  for lag in range(1, lags + 1):
    other = np.searchsorted(numbers, numbers + lag)
    other = np.minimum(other, len(numbers) - 1)
    here = (numbers[other] == numbers + lag).nonzero()[0]
    if len(here):
      result[lag - 1] = (vectors[here] * vectors[other[here]]).sum(1).mean()
  return result


# Several measures in turn ask for the bars of one view.
@functools.lru_cache(maxsize=1)
def bars(view: View) -> Bars:
  """The bars of a piece; notes in no whole bar (before a change of meter) are
  left out.

  The product of two bars' vectors is their similarity: the mean of the cosines
  of pitch classes (notes; drums are classes of their own) and of onsets.
  """
  empty = np.zeros(0, np.int64)
  if not view.runs:
    width = 24 + LONGEST_BAR
    return Bars(empty, empty, empty, empty, np.zeros((0, width)))
  notes = view.piece.notes
  starts, bar_steps, whole, first = np.array(view.runs, np.int64).T
  step = view.piece.ticks_per_beat / 4
  # What is rounded to a run's first step is in that run.
  run = np.searchsorted(starts, view.all_starts + step / 2, "right") - 1
  inside = np.rint((view.all_starts - starts[run]) / step).astype(np.int64)
  kept = inside < (bar_steps * whole)[run]
  run, inside, notes = run[kept], inside[kept], notes[kept]
  numbers, index = np.unique(
    first[run] + inside // bar_steps[run], return_inverse=True
  )
  place = inside % bar_steps[run]
  sound = notes["pitch"].astype(np.int64) + 128 * notes["is_drum"]
  classes = np.bincount(
    index * 24 + sound % 12 + 12 * (sound >= 128), minlength=len(numbers) * 24
  ).reshape(-1, 24)
  onsets = np.zeros((len(numbers), LONGEST_BAR))
  onsets[index, place] = 1
  vectors = [
    part / np.sqrt(2 * (part**2).sum(1, keepdims=True))
    for part in (classes, onsets)
  ]
  return Bars(index, place, sound, numbers, np.concatenate(vectors, 1))


def _lag_means(similarity: np.ndarray) -> np.ndarray:
  """Means along the diagonals of [R, B, B]: [R, B], by the lag."""
  orders, count, _ = similarity.shape
  # Rows of 2 B, read as rows of 2 B + 1: a diagonal becomes a column.
  wide = np.zeros((orders, count + 1, 2 * count))
  wide[:, :count, :count] = similarity
  skewed = wide.reshape(orders, -1)[:, : count * (2 * count + 1)]
  sums = skewed.reshape(orders, count, -1)[:, :, :count].sum(1)
  return sums / (count - np.arange(count))[None]
