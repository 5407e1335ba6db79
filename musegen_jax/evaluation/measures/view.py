"""A piece as the measures look at it: arrays that several of them share.

Every measure takes a View, made once a piece. Letters: N notes that are not
drums, D notes, drums included, K onsets, T notes of the top line.
"""

import dataclasses
import functools
from typing import NamedTuple

import numpy as np

from musegen_jax.data import bars, notes
from musegen_jax.data.codecs import melody

# Notes closer than this begin together: a written 64th apart is two onsets, the
# fingers of one chord (Goebl 2001: 30 ms) are one.
ONSETS_PER_BEAT = 16
# Longer bars (and those that are no whole number of sixteenths) count as none.
LONGEST_BAR = 64
_GRID = dataclasses.replace(melody.CODEC.grid, bar_steps=LONGEST_BAR)


class Places(NamedTuple):
  """Sixteenths on which notes begin, each once: int64 [K] each.

  Attributes:
    step: from the first bar on; whole bars are laid end to end.
    place: in its bar, from 0.
    bar: in its run, from 0.
    run: number of its run.
    source: index of the first of the given ticks that falls there.
  """

  step: np.ndarray
  place: np.ndarray
  bar: np.ndarray
  run: np.ndarray
  source: np.ndarray


@dataclasses.dataclass(frozen=True, eq=False)
class View:
  """A piece and what is derived from it, each when it is first asked for.

  Attributes:
    piece: never changed while there is a view of it.
  """

  piece: notes.Piece

  @functools.cached_property
  def pitched(self) -> np.ndarray:
    """Notes [N] that are not drums."""
    drums = self.piece.notes["is_drum"]
    return self.piece.notes[~drums] if drums.any() else self.piece.notes

  @functools.cached_property
  def pitches(self) -> np.ndarray:
    """int64 [N]."""
    return self.pitched["pitch"].astype(np.int64)

  @functools.cached_property
  def pitch_counts(self) -> np.ndarray:
    """Notes of each pitch, int64 [128]."""
    return np.bincount(self.pitches, minlength=128)

  @functools.cached_property
  def pitch_class_counts(self) -> np.ndarray:
    """Notes of each pitch class, int64 [12]."""
    return np.bincount(self.pitches % 12, minlength=12)

  @functools.cached_property
  def all_starts(self) -> np.ndarray:
    """Ticks at which notes begin, drums included, int64 [D]."""
    return self.piece.notes["start_tick"].astype(np.int64)

  @functools.cached_property
  def all_ends(self) -> np.ndarray:
    """Ticks at which notes end, drums included, int64 [D]."""
    return notes.end_ticks(self.piece.notes)

  @functools.cached_property
  def onset_ticks(self) -> np.ndarray:
    """Ticks at which something begins, drums included, int64 [K]."""
    return self.all_starts[self._firsts(self.all_starts)]

  @functools.cached_property
  def top_line(self) -> np.ndarray:
    """Pitches of the top line, drums left out, int64 [T].

    The highest note of each onset (the skyline of Uitdenbogerd & Zobel 1999),
    but for those that a higher one outlasts to their middle: under a held
    soprano the alto is not the melody.
    """
    return self.pitches[self._top]

  @functools.cached_property
  def top_ticks(self) -> np.ndarray:
    """Ticks at which the notes of the top line begin, int64 [T]."""
    return self.pitched["start_tick"][self._top].astype(np.int64)

  @functools.cached_property
  def intervals(self) -> np.ndarray:
    """Steps of the top line in semitones, int64 [T - 1]."""
    return np.diff(self.top_line)

  @functools.cached_property
  def runs(self) -> list[bars.Run]:
    """The bars of the piece in sixteenths, a run a length; see `bars.runs`."""
    return bars.runs(self.piece, _GRID)

  @functools.cached_property
  def places(self) -> Places:
    """Where in the bars notes begin, drums included."""
    return self.places_of(self.all_starts)

  def places_of(self, ticks: np.ndarray) -> Places:
    """Where in the bars sorted ticks lie; those in no whole bar are left
    out."""
    if not self.runs:
      return Places(*np.zeros((5, 0), np.int64))
    starts, bar_steps, whole, _ = np.array(self.runs, np.int64).T
    lengths = bar_steps * whole
    ticks_per_step = self.piece.ticks_per_beat / _GRID.steps_per_beat
    # What is rounded to a run's first step is in that run.
    run = np.searchsorted(starts, ticks + ticks_per_step / 2, "right") - 1
    inside = np.rint((ticks - starts[run]) / ticks_per_step).astype(np.int64)
    step = (np.cumsum(lengths) - lengths)[run] + inside
    source = (inside < lengths[run]).nonzero()[0]
    source = source[np.diff(step[source], prepend=-1) > 0]
    step, inside, run = step[source], inside[source], run[source]
    bar, place = np.divmod(inside, bar_steps[run])
    return Places(step, place, bar, run, source)

  @functools.cached_property
  def _top(self) -> np.ndarray:
    """Index [T] into `pitched` of the notes of the top line."""
    starts = self.pitched["start_tick"].astype(np.int64)
    ends = notes.end_ticks(self.pitched)
    firsts = self._firsts(starts)
    if len(firsts) < 2:
      return self.pitches.argmax(keepdims=True) if len(starts) else firsts
    sizes = np.diff(np.append(firsts, len(starts)))
    onset = np.repeat(np.arange(len(firsts)), sizes)
    highest = np.lexsort((self.pitches, onset))[firsts + sizes - 1]
    # When the last note of at least a pitch ends, of those begun by an onset.
    lowest = self.pitches.min()
    last = np.zeros((len(firsts), np.ptp(self.pitches) + 2), np.int64)
    np.maximum.at(last, (onset, self.pitches - lowest), ends)
    last = np.maximum.accumulate(last, axis=0)
    last = np.maximum.accumulate(last[:, ::-1], axis=1)[:, ::-1]
    later = highest[1:]
    above = last[np.arange(len(later)), self.pitches[later] - lowest + 1]
    outlasted = 2 * above > starts[later] + ends[later]
    return highest[np.append(True, ~outlasted)]

  def _firsts(self, starts: np.ndarray) -> np.ndarray:
    """Index of the first note of each onset, of sorted starts [N]."""
    gaps = np.diff(starts.astype(np.int64)) * ONSETS_PER_BEAT
    new = gaps >= self.piece.ticks_per_beat
    return np.append(0, new.nonzero()[0] + 1)[: len(starts)]
