"""Where the bars of a piece lie, and whether its tempo holds.

Letters used in shapes: N notes, W spans of time.
"""

from typing import NamedTuple

import numpy as np

from musegen_jax.data import notes
from musegen_jax.data.codecs.codec import Grid

# Tempos within a span may differ by this factor.
MAX_TEMPO_RATIO = 1.1


class Run(NamedTuple):
  """Bars of one length: `bar_steps` is 0 where they do not fit the grid."""

  start_tick: int
  bar_steps: int
  bars: int
  first_bar: int


def runs(piece: notes.Piece, grid: Grid) -> list[Run]:
  """The bars of a piece up to its last note's end, one run a bar length.

  A meter begins a bar at its tick; where an earlier bar of the same length
  would begin there anyway, the run goes on.
  """
  ticks_per_step = piece.ticks_per_beat / grid.steps_per_beat
  meters = {0: (4, 4)}
  meters |= {tick: over for tick, *over in piece.meters.tolist()}
  starts: list[tuple[int, float]] = []
  for tick, (numerator, denominator) in meters.items():
    # Nonsense in a file counts as 4/4.
    beats = 4 * numerator / denominator if numerator and denominator else 4
    steps = beats * grid.steps_per_beat
    last_tick, last_steps = starts[-1] if starts else (0, 0)
    if steps != last_steps or (tick - last_tick) % (steps * ticks_per_step):
      starts.append((tick, steps))
  found, first_bar = [], 0
  for (tick, steps), after in zip(starts, starts[1:] + [None], strict=True):
    whole, begun = _bar_counts(piece.notes, tick, steps, ticks_per_step, after)
    if begun > 0:
      fits = steps <= grid.bar_steps and steps == int(steps)
      found.append(Run(tick, int(steps) if fits else 0, whole, first_bar))
      first_bar += begun
  return found


def _bar_counts(
  table: np.ndarray,
  tick: int,
  steps: float,
  ticks_per_step: float,
  after: tuple[int, float] | None,
) -> tuple[int, int]:
  """Whole bars and bars begun, from a tick to the next run's or the last note's
  end; silence completes the last bar of the piece."""
  if not len(table):
    return 0, 0
  last_end = np.rint((notes.end_ticks(table).max() - tick) / ticks_per_step)
  last_start = np.rint((int(table["start_tick"][-1]) - tick) / ticks_per_step)
  sounding = int(np.ceil(max(last_end, last_start + 1) / steps))
  if after is None:
    return sounding, sounding
  bars = (after[0] - tick) / ticks_per_step / steps
  return min(sounding, int(bars)), min(sounding, int(np.ceil(bars)))


def steady(piece: notes.Piece, spans: np.ndarray) -> np.ndarray:
  """bool [W]: the tempos in force in spans [2, W] (first tick, tick after the
  last) differ by little."""
  tempos = piece.tempos["microseconds_per_beat"].astype(np.int64)
  ticks = piece.tempos["tick"]
  if not len(ticks) or ticks[0] > 0:
    ticks = np.append(0, ticks)
    tempos = np.append(notes.DEFAULT_MICROSECONDS_PER_BEAT, tempos)
  first = np.searchsorted(ticks, spans[0], side="right") - 1
  after = np.searchsorted(ticks, spans[1], side="left")
  between = np.stack([first, after], axis=1).ravel()
  # reduceat needs every index to exist, also the one after the last.
  tempos = np.append(tempos, tempos[-1])
  slowest = np.maximum.reduceat(tempos, between)[::2]
  fastest = np.minimum.reduceat(tempos, between)[::2]
  return slowest <= MAX_TEMPO_RATIO * fastest
