"""A piece as arrays: notes, tempo changes and time signatures.

Letters used in shapes: N notes, S tempo changes, M time signatures.
"""

import dataclasses

import numpy as np

from musegen_jax.errors import UserError

# `track` numbers the parts of a piece: one per (MIDI track, channel) pair, in
# the order in which they first sound.
NOTE = np.dtype(
  [
    ("start_tick", "<i4"),
    ("duration_ticks", "<i4"),
    ("pitch", "u1"),
    ("velocity", "u1"),
    ("program", "u1"),
    ("is_drum", "?"),
    ("track", "<u2"),
  ]
)
TEMPO = np.dtype([("tick", "<i4"), ("microseconds_per_beat", "<i4")])
METER = np.dtype([("tick", "<i4"), ("numerator", "u1"), ("denominator", "u1")])

DEFAULT_MICROSECONDS_PER_BEAT = 500_000  # 120 quarter notes a minute


@dataclasses.dataclass
class Piece:
  """One piece of music.

  Attributes:
    ticks_per_beat: ticks in a quarter note, 1..32767.
    notes: [N] of NOTE, sorted by (start_tick, pitch, track, duration_ticks).
    tempos: [S] of TEMPO, sorted by tick; may be empty (120 beats a minute).
    meters: [M] of METER, sorted by tick; may be empty (4/4).
  """

  ticks_per_beat: int
  notes: np.ndarray
  tempos: np.ndarray = dataclasses.field(
    default_factory=lambda: np.zeros(0, TEMPO)
  )
  meters: np.ndarray = dataclasses.field(
    default_factory=lambda: np.zeros(0, METER)
  )


def make_notes(
  start_tick: np.ndarray,
  duration_ticks: np.ndarray,
  pitch: np.ndarray,
  velocity: np.ndarray | int = 80,
  program: np.ndarray | int = 0,
  is_drum: np.ndarray | bool = False,
  track: np.ndarray | int = 0,
) -> np.ndarray:
  """Builds a sorted NOTE array [N] from columns [N] or scalars."""
  notes = np.zeros(len(start_tick), NOTE)
  notes["start_tick"] = start_tick
  notes["duration_ticks"] = duration_ticks
  notes["pitch"] = pitch
  notes["velocity"] = velocity
  notes["program"] = program
  notes["is_drum"] = is_drum
  notes["track"] = track
  return sort(notes)


def sort(notes: np.ndarray) -> np.ndarray:
  """Orders notes [N] by (start_tick, pitch, track, duration_ticks)."""
  order = np.lexsort(
    (
      notes["duration_ticks"],
      notes["track"],
      notes["pitch"],
      notes["start_tick"],
    )
  )
  return notes[order]


def check(piece: Piece) -> None:
  """Raises UserError unless the piece keeps what `Piece` promises."""
  notes = piece.notes
  if notes.dtype != NOTE:
    raise UserError(f"notes have dtype {notes.dtype}, not notes.NOTE")
  if not 1 <= piece.ticks_per_beat <= 32767:
    raise UserError(f"ticks_per_beat {piece.ticks_per_beat} not in 1..32767")
  if not len(notes):
    return
  if notes["start_tick"].min() < 0 or notes["duration_ticks"].min() < 1:
    raise UserError("a note starts before tick 0 or is shorter than a tick")
  if notes["pitch"].max() > 127 or notes["program"].max() > 127:
    raise UserError("a pitch or program is above 127")
  if not 1 <= notes["velocity"].min() <= notes["velocity"].max() <= 127:
    raise UserError("a velocity is not in 1..127")
  if (np.diff(notes["start_tick"]) < 0).any():
    raise UserError("notes are not sorted by start_tick")


def tick_seconds(piece: Piece, ticks: np.ndarray) -> np.ndarray:
  """Seconds (float64) at which `ticks` sound, under the piece's tempo map."""
  tempos = piece.tempos
  if not len(tempos) or tempos["tick"][0] > 0:
    first = np.array([(0, DEFAULT_MICROSECONDS_PER_BEAT)], TEMPO)
    tempos = np.concatenate([first, tempos])
  seconds_per_tick = (
    tempos["microseconds_per_beat"] / 1e6 / piece.ticks_per_beat
  )
  tempo_ticks = tempos["tick"].astype(np.float64)
  spans = np.diff(tempo_ticks) * seconds_per_tick[:-1]
  tempo_seconds = np.concatenate([[0.0], np.cumsum(spans)])
  ticks = np.asarray(ticks)
  at = np.searchsorted(tempos["tick"], ticks, side="right") - 1
  return tempo_seconds[at] + (ticks - tempo_ticks[at]) * seconds_per_tick[at]


def end_ticks(notes: np.ndarray) -> np.ndarray:
  """Ticks [N] (int64) at which notes stop sounding."""
  return notes["start_tick"].astype(np.int64) + notes["duration_ticks"]


def seconds(piece: Piece) -> float:
  """Length of the piece in seconds, from tick 0 to the last note's end."""
  if not len(piece.notes):
    return 0.0
  return float(tick_seconds(piece, end_ticks(piece.notes).max()))
