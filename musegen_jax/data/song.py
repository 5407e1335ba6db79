"""From the events of a file to a `notes.Piece`, whichever library read them.

`add_track` pairs note-ons with note-offs; `to_reading` applies the pedal, drops
what has no length, enforces the limits and numbers the parts. Letters used in
shapes: N notes and K pedal events of one part.
"""

import collections
import dataclasses
import operator
from collections.abc import Iterable

import numpy as np

from musegen_jax.data import notes
from musegen_jax.data.smf_events import (
  SET_TEMPO,
  TIME_SIGNATURE,
  MidiRejected,
)

DRUM_CHANNEL = 9
SUSTAIN_CONTROL = 64
_NEVER = np.int64(1) << 40
_LAST_TICK = 2**31 - 1


@dataclasses.dataclass(frozen=True)
class Limits:
  """What a file may hold; each limit decides the same on every machine."""

  max_bytes: int = 4 << 20
  max_notes: int = 100_000
  max_tracks: int = 1024
  max_seconds: float = 7200.0


DEFAULT_LIMITS = Limits()


@dataclasses.dataclass
class Reading:
  """A piece, the repairs its file needed and what was counted on the way.

  Attributes:
    piece: the music.
    repairs: sorted names of what had to be put right; mostly empty.
    counts: notes or events by name: hanging, orphan_off, overlapping,
      zero_length, after_end_of_track. Absent means none seen.
  """

  piece: notes.Piece
  repairs: tuple[str, ...]
  counts: dict[str, int]


@dataclasses.dataclass
class Part:
  """One channel of one MIDI track.

  Attributes:
    start_ticks, duration_ticks: [N] integers, sorted by start; notes of equal
      start and pitch stand in the order of their durations.
    pitch, velocity, program: [N]; program may be one number for all.
    is_drum: whether it plays on the drum channel.
    pedal_ticks, pedal_values: [K] the sustain control, in file order, or None.
  """

  start_ticks: np.ndarray
  duration_ticks: np.ndarray
  pitch: np.ndarray
  velocity: np.ndarray
  program: np.ndarray | int
  is_drum: bool
  pedal_ticks: np.ndarray | None = None
  pedal_values: np.ndarray | None = None


@dataclasses.dataclass
class Song:
  """What a file holds before cleaning.

  Attributes:
    parts: in the order of (MIDI track, channel).
    tempos: (tick, microseconds per beat).
    meters: (tick, numerator, denominator).
    counts: see Reading.
  """

  parts: list[Part] = dataclasses.field(default_factory=list)
  tempos: list[tuple[int, int]] = dataclasses.field(default_factory=list)
  meters: list[tuple] = dataclasses.field(default_factory=list)
  counts: collections.Counter = dataclasses.field(
    default_factory=collections.Counter
  )


def add_track(song: Song, events: Iterable[tuple[int, int, int, int]]) -> None:
  """Adds one MIDI track's (tick, status, data 1, data 2) events to `song`.

  Pairs first in, first out by channel and pitch; a note keeps the program that
  was set at its onset. Notes that never end are dropped and counted.
  """
  overlapping = orphan_off = 0
  programs = [0] * 16
  sounding = collections.defaultdict(collections.deque)
  rows = collections.defaultdict(list)
  pedals = collections.defaultdict(list)
  for tick, status, first, second in events:
    kind, channel = status & 0xF0, status & 0x0F
    if kind == 0x90 and second:
      queue = sounding[channel, first]
      overlapping += len(queue) > 0
      queue.append((tick, second, programs[channel]))
    elif kind == 0x80 or kind == 0x90:
      queue = sounding[channel, first]
      if queue:
        start, velocity, program = queue.popleft()
        row = (start, tick - start, first, velocity, program)
        rows[channel].append(row)
      else:
        orphan_off += 1
    elif kind == 0xC0:
      programs[channel] = first
    elif kind == 0xB0 and first == SUSTAIN_CONTROL:
      pedals[channel].append((tick, second))
    elif status == SET_TEMPO:
      song.tempos.append((tick, first))
    elif status == TIME_SIGNATURE:
      song.meters.append((tick, first, second))
  song.counts["overlapping"] += overlapping
  song.counts["orphan_off"] += orphan_off
  song.counts["hanging"] += sum(map(len, sounding.values()))
  for channel in sorted(rows):
    # The rows stand in the order of their ends.
    rows[channel].sort(key=operator.itemgetter(0))
    columns = np.array(rows[channel], np.int64).T
    pedal = np.array(pedals[channel]).T if pedals[channel] else ()
    song.parts.append(Part(*columns, channel == DRUM_CHANNEL, *pedal))


def to_reading(
  song: Song,
  ticks_per_beat: int,
  repairs: set[str],
  limits: Limits,
  sustain: bool,
) -> Reading:
  """Cleans a song; raises MidiRejected for `no_notes` and broken limits.

  Notes without length are dropped, on drums they get one tick.
  """
  parts = [part for part in song.parts if len(part.start_ticks)]
  if not parts:
    raise MidiRejected("no_notes")
  parts.sort(key=lambda part: int(part.start_ticks[0]))
  starts, durations = (
    np.concatenate([getattr(part, name) for part in parts], dtype=np.int64)
    for name in ("start_ticks", "duration_ticks")
  )
  if len(starts) > limits.max_notes:
    raise MidiRejected("too_many_notes", f"{len(starts)} notes")
  if sustain:
    _apply_pedals(starts, durations, parts)
  last_tick = int((starts + durations).max())
  changes = song.tempos + song.meters
  if max(last_tick, *(change[0] for change in changes), 0) > _LAST_TICK:
    raise MidiRejected("too_long", f"tick {last_tick}")
  tempos = [tempo for tempo in song.tempos if tempo[1]]
  if len(tempos) < len(song.tempos):
    repairs = repairs | {"tempo_zero"}
  shortest = durations.min()
  if starts[0] < 0 or shortest < 0:
    raise MidiRejected("too_long", "ticks beyond int32")
  merged = _merge(starts, durations, parts)
  if not shortest:
    merged = _drop_zero_length(merged, song.counts)
  piece = notes.Piece(
    ticks_per_beat,
    merged,
    _changes(tempos, notes.TEMPO),
    _changes(song.meters, notes.METER),
  )
  slowest = max([notes.DEFAULT_MICROSECONDS_PER_BEAT, *(x[1] for x in tempos)])
  if last_tick * slowest / 1e6 / ticks_per_beat > limits.max_seconds:
    seconds = notes.seconds(piece)
    if seconds > limits.max_seconds:
      raise MidiRejected("too_long", f"{seconds:.0f} seconds")
  counts = {name: x for name, x in sorted(song.counts.items()) if x}
  return Reading(piece, tuple(sorted(repairs)), counts)


def _changes(changes: list[tuple], dtype: np.dtype) -> np.ndarray:
  """Sorts changes by tick; the last of those at one tick stays."""
  changes.sort(key=operator.itemgetter(0))
  return np.array(list({x[0]: x for x in changes}.values()), dtype)


def _merge(
  starts: np.ndarray, durations: np.ndarray, parts: list[Part]
) -> np.ndarray:
  merged = np.zeros(len(starts), notes.NOTE)
  merged["start_tick"] = starts
  merged["duration_ticks"] = durations
  pitch, velocity, program, is_drum, tracks = (
    merged[name] for name in notes.NOTE.names[2:]
  )
  end = 0
  for track, part in enumerate(parts):
    rows = slice(end, end := end + len(part.start_ticks))
    pitch[rows] = part.pitch
    velocity[rows] = part.velocity
    program[rows] = part.program
    is_drum[rows] = part.is_drum
    tracks[rows] = track
  # The order of notes.sort: the stable sort leaves tracks and durations, which
  # grow already where the keys are equal. `take` is ten times indexing.
  return merged.take(np.argsort(starts << 7 | pitch, kind="stable"))


def _drop_zero_length(
  merged: np.ndarray, counts: collections.Counter
) -> np.ndarray:
  empty = merged["duration_ticks"] < 1
  counts["zero_length"] += int(np.count_nonzero(empty))
  merged["duration_ticks"][empty & merged["is_drum"]] = 1
  kept = merged.take(np.flatnonzero(merged["duration_ticks"]))
  if len(kept) == len(merged):
    return merged
  if not len(kept):
    raise MidiRejected("no_notes", "none has a length")
  # A part may now sound later than another: number the parts anew.
  tracks, first, inverse = np.unique(
    kept["track"], return_index=True, return_inverse=True
  )
  order = np.lexsort((tracks, kept["start_tick"][first]))
  kept["track"] = np.argsort(order)[inverse]
  return notes.sort(kept) if (np.diff(order) < 0).any() else kept


def _apply_pedals(
  starts: np.ndarray, durations: np.ndarray, parts: list[Part]
) -> None:
  if all(part.pedal_ticks is None for part in parts):
    return
  last_tick = int((starts + durations).max())
  end = 0
  for part in parts:
    rows = slice(end, end := end + len(part.start_ticks))
    if part.is_drum or part.pedal_ticks is None:
      continue
    durations[rows] = pedalled_durations(
      starts[rows],
      durations[rows],
      part.pitch,
      part.pedal_ticks,
      part.pedal_values,
      last_tick,
    )


def pedalled_durations(
  starts: np.ndarray,
  durations: np.ndarray,
  pitches: np.ndarray,
  pedal_ticks: np.ndarray,
  pedal_values: np.ndarray,
  last_tick: int,
) -> np.ndarray:
  """Ticks [N] that notes [N], sorted by start, sound under the sustain pedal.

  A note whose pitch is struck again under the pedal ends there; one that ends
  under the pedal sounds on until the pedal goes up, or until `last_tick` where
  it never does. Values of 64 and more are down. At equal ticks the pedal moves
  first (note_seq, sequences_lib.apply_sustain_control_changes).
  """
  ends = starts + durations
  down = pedal_values >= 64
  # What holds before the first pedal event and after each of them.
  down_after = np.concatenate([[False], down])
  lift_after = np.append(np.where(down, _NEVER, pedal_ticks), _NEVER)
  lift_after = np.minimum.accumulate(lift_after[::-1])[::-1]
  lift_after = np.where(lift_after == _NEVER, last_tick, lift_after)
  at_ends = np.searchsorted(pedal_ticks, ends, side="right")

  # Keys grow along `order`, so the next strike is the least of the later ones.
  keys = pitches.astype(np.int64) << 40 | starts
  order = np.argsort(pitches, kind="stable")
  is_down = down_after[np.searchsorted(pedal_ticks, starts, side="right")]
  strikes = np.where(is_down, keys, np.iinfo(np.int64).max)[order]
  later = np.append(strikes[1:], np.iinfo(np.int64).max)
  later = np.minimum.accumulate(later[::-1])[::-1]
  again = np.empty_like(later)
  again[order] = np.where(
    later >> 40 == pitches[order], later & (_NEVER - 1), _NEVER
  )
  released = np.minimum(lift_after[at_ends], again)
  released = np.where(down_after[at_ends], released, ends)
  return np.where(again <= ends, again, released) - starts
