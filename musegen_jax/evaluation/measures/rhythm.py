"""When notes begin and how long they last.

Drums count wherever only onsets do, and in the empty beats; they are left out
of note lengths and of polyphony. Beats are quarter notes, onsets are what
`View` groups. Where there are too few notes or bars the value is nan. MusPy:
Dong et al. (2020); MGEval: Yang & Lerch (2020). Letters: K onsets, B classes.
"""

import functools
import math

import numpy as np

from musegen_jax.data import notes
from musegen_jax.evaluation import attributes
from musegen_jax.evaluation.measures.view import View

# Note lengths in beats: those of MGEval's NLH, plain, dotted and triplets.
LENGTHS = (1 / 4, 1 / 3, 3 / 8, 1 / 2, 2 / 3, 3 / 4, 1, 4 / 3, 3 / 2, 2, 3, 4)
# The nearer one in ratio.
_EDGES = np.sqrt(np.array(LENGTHS[:-1]) * np.array(LENGTHS[1:]))
POSITIONS = 24  # sixteenths of a bar of 12/8 or 6/4


def notes_per_second(view: View) -> float:
  """Notes a second from the first onset to the last end, above 0; drums
  included."""
  if not len(view.all_starts):
    return math.nan
  ticks = np.array([view.all_starts[0], view.all_ends.max()])
  begin, end = notes.tick_seconds(view.piece, ticks)
  return len(view.all_starts) / float(end - begin) if end > begin else math.nan


def notes_per_beat(view: View) -> float:
  """Notes a beat from the first onset to the last end, above 0; drums
  included."""
  if not len(view.all_starts):
    return math.nan
  ticks = int(view.all_ends.max() - view.all_starts[0])
  return len(view.all_starts) * view.piece.ticks_per_beat / ticks


def mean_note_length(view: View) -> float:
  """Mean length of the notes in beats, above 0; without drums."""
  if not len(view.pitched):
    return math.nan
  length = view.pitched["duration_ticks"].mean()
  return float(length) / view.piece.ticks_per_beat


def mean_inter_onset_interval(view: View) -> float:
  """Mean time from one onset to the next in beats, above 0; drums included
  (MGEval IOI, there in seconds and 0 within a chord)."""
  ticks = view.onset_ticks
  if len(ticks) < 2:
    return math.nan
  mean = (ticks[-1] - ticks[0]) / (len(ticks) - 1)
  return float(mean) / view.piece.ticks_per_beat


def npvi(view: View) -> float:
  """Normalised pairwise variability of the inter-onset intervals, 0..200;
  drums included (Grabe & Low 2002; Patel & Daniele 2003).

  0 for even notes, 66.7 where long and short alternate as 2:1.
  """
  gaps = np.diff(view.onset_ticks)
  if len(gaps) < 2:
    return math.nan
  contrast = np.abs(np.diff(gaps)) / (gaps[:-1] + gaps[1:])
  return 200 * float(contrast.mean())


def polyphony(view: View) -> float:
  """Mean number of pitches that sound, over the time in which one does, 1..128;
  without drums (MusPy)."""
  ticks, sounding = _levels(view)
  heard = ticks[sounding > 0].sum()
  return float(ticks @ sounding / heard) if heard else math.nan


def polyphony_rate(view: View) -> float:
  """Share of the time from tick 0 to the last end in which two pitches or more
  sound, 0..1; without drums (MusPy as documented)."""
  ticks, sounding = _levels(view)
  if not len(ticks):
    return math.nan
  return float(ticks[sounding > 1].sum() / view.all_ends.max())


def empty_beat_rate(view: View) -> float:
  """Share of the beats from tick 0 to the last end in which nothing sounds,
  0..1; drums included (MusPy as documented: an end on a beat is not in it)."""
  if not len(view.all_starts):
    return math.nan
  beat = view.piece.ticks_per_beat
  begins, ends = _merged(view.all_starts // beat, -(-view.all_ends // beat))
  return 1 - float((ends - begins).sum() / ends[-1])


def groove_consistency(view: View) -> float:
  """1 less the mean share of sixteenths that differ in having an onset between
  a bar and the next, 0..1; drums included.

  Over neighbouring whole bars of one length up to the last note's end (Wu &
  Yang 2020, there over all pairs; MusPy, there on ticks and with an empty bar
  behind a piece that ends on a bar line).
  """
  pairs = sum(run.bars - 1 for run in view.runs if run.bar_steps and run.bars)
  if not pairs:
    return math.nan
  step, _, bar, run, _ = view.places
  if not len(step):
    return 1.0
  bar_steps = np.array([run.bar_steps for run in view.runs])[run]
  whole = np.array([run.bars for run in view.runs])[run]
  follows, followed = bar > 0, bar < whole - 1
  kept = followed & np.isin(step + bar_steps, step)
  differ = (follows.astype(int) + followed - 2 * kept) / bar_steps
  return 1 - float(differ.sum() / pairs)


def syncopation(view: View) -> float:
  """How much stronger the strongest sixteenth up to the next onset is than that
  of the onset, in levels of the meter, mean over onsets, 0 where it is not; 0
  or more; drums included (Longuet-Higgins & Lee 1984).

  As `attributes.compute` has it for tokens, but 6/8, 9/8 and 12/8 are felt in
  dotted quarters. The last onset lasts to the end of its bar.
  """
  step, place, _, run, _ = view.places
  if not len(step):
    return math.nan
  kinds = [(r.bar_steps, _ternary_beat(view, r.start_tick)) for r in view.runs]
  beyond = step[-1] - place[-1] + kinds[run[-1]][0]
  room = np.append(step[1:], beyond) - (step - place)
  total = 0.0
  for kind in set(kinds):
    chosen = np.array([other == kind for other in kinds])[run]
    # Over a bar line, whatever lies behind it.
    reach = np.minimum(room[chosen], kind[0] + 1)
    total += _syncopations(*kind)[place[chosen], reach].sum()
  return float(total / len(step))


def note_length_histogram(view: View) -> np.ndarray:
  """Shares of the notes by the nearest of LENGTHS, float64 [B = 12], sum 1;
  without drums (MGEval NLH, there by name)."""
  return _length_shares(view.pitched["duration_ticks"], view)


def inter_onset_histogram(view: View) -> np.ndarray:
  """Shares of the times from onset to onset by the nearest of LENGTHS, float64
  [B = 12], sum 1; drums included."""
  return _length_shares(np.diff(view.onset_ticks), view)


def onset_position_histogram(view: View) -> np.ndarray:
  """Shares of the onsets by their sixteenth in the bar, float64 [B = 24], sum
  1; drums included.

  Places from the 25th sixteenth of longer bars on are left out.
  """
  place = view.places.place
  counts = np.bincount(place[place < POSITIONS], minlength=POSITIONS)
  return counts / counts.sum() if counts.any() else np.full(POSITIONS, np.nan)


def _length_shares(ticks: np.ndarray, view: View) -> np.ndarray:
  if not len(ticks):
    return np.full(len(LENGTHS), np.nan)
  nearest = np.searchsorted(_EDGES, ticks / view.piece.ticks_per_beat)
  return np.bincount(nearest, minlength=len(LENGTHS)) / len(ticks)


def _merged(
  begins: np.ndarray, ends: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
  """Spans, sorted by their begin and at least one, with those that touch or
  overlap made one."""
  latest = np.maximum.accumulate(ends)
  apart = begins[1:] > latest[:-1]
  first = np.append(True, apart)
  return begins[first], latest[np.append(apart, True)]


def _levels(view: View) -> tuple[np.ndarray, np.ndarray]:
  """Stretches between the begin and end of notes, in ticks, and the number of
  different pitches that sound in each, both int64."""
  if not len(view.pitched):
    return np.zeros(0, np.int64), np.zeros(0, np.int64)
  begins = view.pitched["start_tick"].astype(np.int64)
  ends = notes.end_ticks(view.pitched)
  # A pitch that two parts play sounds once: each pitch has a time of its own.
  last = int(ends.max())
  shift = view.pitches * (last + 1)
  order = np.argsort(begins + shift)
  begins, ends = _merged((begins + shift)[order], (ends + shift)[order])
  ticks = np.concatenate([begins, ends]) % (last + 1)
  change = np.repeat([1, -1], len(begins))
  order = np.argsort(ticks)
  return np.diff(ticks[order]), change[order].cumsum()[:-1]


def _ternary_beat(view: View, tick: int) -> int:
  """Sixteenths of the beat that bars from a tick on divide into three; 0 where
  they divide it into two."""
  meters = view.piece.meters
  at = int(np.searchsorted(meters["tick"], tick, side="right")) - 1
  _, numerator, denominator = meters[at].tolist() if at >= 0 else (0, 4, 4)
  ternary = numerator > 3 and numerator % 3 == 0 and denominator in (4, 8, 16)
  return 48 // denominator if ternary else 0


@functools.cache
def _syncopations(bar_steps: int, ternary_beat: int) -> np.ndarray:
  """Syncopation [bar_steps, bar_steps + 2] of an onset on a place of the bar
  (row) where the next is `column` steps from the begin of the bar."""
  weights = attributes.meter_weights(bar_steps)
  if ternary_beat:
    third = ternary_beat // 3
    periods = {bar_steps, ternary_beat, *(p for p in (1, 2, 4) if p <= third)}
    if bar_steps == 4 * ternary_beat:
      periods.add(2 * ternary_beat)
    steps = np.arange(bar_steps)
    weights = -sum((steps % period != 0).astype(int) for period in periods)
  # The next bar line is as strong as this one.
  weights = np.append(weights, 0)
  table = np.zeros((bar_steps, bar_steps + 2))
  for place in range(bar_steps):
    strongest = np.maximum.accumulate(weights[place + 1 :])
    table[place, place + 2 :] = np.maximum(strongest - weights[place], 0)
  return table
