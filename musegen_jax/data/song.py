"""From the events of a file to a `notes.Piece`, whichever library read them.

`add_track` pairs note-ons with note-offs; `to_reading` applies the pedal, drops
what has no length, enforces the limits and numbers the parts. Letters used in
shapes: N notes and K pedal events of one part.
"""

import collections
import dataclasses
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
    start_ticks, duration_ticks: [N] integers; notes of equal start and pitch
      stand in the order of their durations.
    pitch, velocity, program: [N]; program may be one number for all.
    is_drum: whether it plays on the drum channel.
    pedal_ticks, pedal_values: [K] the sustain control, in file order.
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
    meters: (tick, (numerator, denominator)).
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
      song.meters.append((tick, (first, second)))
  song.counts["overlapping"] += overlapping
  song.counts["orphan_off"] += orphan_off
  song.counts["hanging"] += sum(map(len, sounding.values()))
  for channel in sorted(rows):
    columns = np.array(rows[channel], np.int64).T
    pedal = np.array(pedals[channel], np.int64).reshape(-1, 2).T
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
  starts, durations = _joined_ticks(parts)
  if len(starts) > limits.max_notes:
    raise MidiRejected("too_many_notes", f"{len(starts)} notes")
  last_tick = int((starts + durations).max())
  changes = song.tempos + song.meters
  if max(last_tick, *(change[0] for change in changes), 0) > _LAST_TICK:
    raise MidiRejected("too_long", f"tick {last_tick}")
  tempos = [tempo for tempo in song.tempos if tempo[1]]
  if len(tempos) < len(song.tempos):
    repairs = repairs | {"tempo_zero"}
  if starts.min() < 0:
    raise MidiRejected("too_long", "ticks beyond int32")
  if sustain:
    _apply_pedals(starts, durations, parts, last_tick)
  counts = song.counts
  piece = notes.Piece(
    ticks_per_beat,
    _drop_zero_length(_merge(starts, durations, parts), durations, counts),
    np.array(_last_at_each_tick(tempos), notes.TEMPO),
    np.array(
      [(tick, *meter) for tick, meter in _last_at_each_tick(song.meters)],
      notes.METER,
    ),
  )
  slowest = max([notes.DEFAULT_MICROSECONDS_PER_BEAT, *(x[1] for x in tempos)])
  if last_tick * slowest / 1e6 / ticks_per_beat > limits.max_seconds:
    seconds = notes.seconds(piece)
    if seconds > limits.max_seconds:
      raise MidiRejected("too_long", f"{seconds:.0f} seconds")
  found = {name: number for name, number in sorted(counts.items()) if number}
  return Reading(piece, tuple(sorted(repairs)), found)


def _last_at_each_tick(changes: list[tuple]) -> list[tuple]:
  return list(dict(sorted(changes, key=lambda change: change[0])).items())


def _joined_ticks(parts: list[Part]) -> tuple[np.ndarray, np.ndarray]:
  """Sorts the parts as they first sound; their ticks (int64), end to end."""
  if len(parts) > 1:
    parts.sort(key=lambda part: int(part.start_ticks.min()))
  return (
    np.concatenate([part.start_ticks for part in parts], dtype=np.int64),
    np.concatenate([part.duration_ticks for part in parts], dtype=np.int64),
  )


def _merge(
  starts: np.ndarray, durations: np.ndarray, parts: list[Part]
) -> np.ndarray:
  merged = np.zeros(len(starts), notes.NOTE)
  merged["start_tick"] = starts
  merged["duration_ticks"] = durations
  pitches = np.concatenate([part.pitch for part in parts])
  merged["pitch"] = pitches
  merged["velocity"] = np.concatenate([part.velocity for part in parts])
  end = 0
  for track, part in enumerate(parts):
    rows = slice(end, end := end + len(part.start_ticks))
    merged["program"][rows] = part.program
    merged["is_drum"][rows] = part.is_drum
    merged["track"][rows] = track
  # The order of notes.sort: the stable sort leaves tracks and durations, which
  # grow already where the keys are equal. `take` is ten times indexing.
  return merged.take(np.argsort(starts << 7 | pitches, kind="stable"))


def _drop_zero_length(
  merged: np.ndarray, durations: np.ndarray, counts: collections.Counter
) -> np.ndarray:
  if durations.min() > 0:
    return merged
  if durations.min() < 0:
    raise MidiRejected("too_long", "ticks beyond int32")
  empty = merged["duration_ticks"] < 1
  counts["zero_length"] += int(np.count_nonzero(empty))
  merged["duration_ticks"][empty & merged["is_drum"]] = 1
  kept = merged.take(np.flatnonzero(merged["duration_ticks"]))
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
  starts: np.ndarray, durations: np.ndarray, parts: list[Part], last_tick: int
) -> None:
  end = 0
  for part in parts:
    rows = slice(end, end := end + len(part.start_ticks))
    if part.is_drum or part.pedal_ticks is None or not len(part.pedal_ticks):
      continue
    # The notes of a byte-read part stand in the order of their ends.
    order = np.argsort(starts[rows], kind="stable")
    durations[rows][order] = pedalled_durations(
      starts[rows][order],
      durations[rows][order],
      part.pitch[order],
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
  down_after = np.concatenate([[False], down])

  def is_down(ticks: np.ndarray) -> np.ndarray:
    return down_after[np.searchsorted(pedal_ticks, ticks, side="right")]

  lifts = np.append(pedal_ticks[~down], last_tick)
  lift = lifts[np.searchsorted(lifts[:-1], ends, side="right")]

  # Keys grow along `order`, so the next strike is the least of the later ones.
  keys = pitches.astype(np.int64) << 40 | starts
  order = np.argsort(pitches, kind="stable")
  strikes = np.where(is_down(starts), keys, np.iinfo(np.int64).max)[order]
  later = np.append(strikes[1:], np.iinfo(np.int64).max)
  later = np.minimum.accumulate(later[::-1])[::-1]
  again = np.empty_like(later)
  again[order] = np.where(
    later >> 40 == pitches[order], later & (_NEVER - 1), _NEVER
  )
  released = np.where(is_down(ends), np.minimum(lift, again), ends)
  return np.where(again <= ends, again, released) - starts
