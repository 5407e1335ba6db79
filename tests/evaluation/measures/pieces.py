"""Pieces for the tests of measures: by hand, at random, from music21; and how
muspy is shown them."""

import functools

import muspy
import numpy as np
from hypothesis import strategies as st
from music21 import corpus
from music21.midi import translate

from musegen_jax.data import midi, notes

TICKS = 4  # in a beat of the pieces made here


def line(
  pitches: list[int], lengths: list[float], meter: tuple[int, int] | None = None
) -> notes.Piece:
  """Notes one after the other, of so many beats each."""
  ticks = np.rint(np.array(lengths) * 480).astype(int)
  table = notes.make_notes(np.cumsum(ticks) - ticks, ticks, np.array(pitches))
  return notes.Piece(480, table, meters=meters_of(meter))


def chart(*rows: tuple[int, int, int], drums: bool = False) -> notes.Piece:
  """A piece of 4 ticks a beat, of rows (start, duration, pitch)."""
  columns = np.array(rows, int).reshape(-1, 3).T
  return notes.Piece(TICKS, notes.make_notes(*columns, is_drum=drums))


def meters_of(*meters: tuple | None) -> np.ndarray:
  """METER array of (numerator, denominator) or (tick, num., denominator)."""
  rows = [(0, *m)[-3:] for m in meters if m is not None]
  return np.array(rows, notes.METER)


def together(*pieces: notes.Piece) -> notes.Piece:
  """Pieces of equal ticks a beat at the same time."""
  table = notes.sort(np.concatenate([piece.notes for piece in pieces]))
  return notes.Piece(pieces[0].ticks_per_beat, table)


@st.composite
def random_pieces(
  draw: st.DrawFn, *, drums: bool = True, off_beat_ends: bool = False
) -> notes.Piece:
  """3 to 24 notes within 14 beats of 4/4, at least one pitched.

  `off_beat_ends`: no note ends on a beat.
  """
  ticks, lengths, pitches = (0, 47), (1, 9), (55, 75)
  numbers = [st.integers(*span) for span in (ticks, lengths, pitches)]
  note = st.tuples(*numbers, st.booleans())
  rows = draw(st.lists(note, min_size=3, max_size=24))
  start, duration, pitch, drum = np.array(rows, int).T
  if off_beat_ends:
    duration = duration + ((start + duration) % TICKS == 0)
  drum = (drum > 0) & drums
  drum[0] = False
  velocity = 1 + (pitch * 7 + start) % 127
  table = notes.make_notes(start, duration, pitch, velocity, is_drum=drum)
  return notes.Piece(TICKS, table)


@functools.cache
def corpus_piece(path: str) -> notes.Piece:
  """A score of music21's corpus, on a grid of sixteenths."""
  file = translate.streamToMidiFile(corpus.parse(path))
  piece = midi.read_midi(file.writestr()).piece
  return on_grid(piece, TICKS)


def on_grid(piece: notes.Piece, ticks_per_beat: int) -> notes.Piece:
  """The piece with its notes rounded to other ticks."""
  factor = ticks_per_beat / piece.ticks_per_beat
  table, meters = piece.notes.copy(), piece.meters.copy()
  table["start_tick"] = np.rint(table["start_tick"] * factor)
  table["duration_ticks"] = np.rint(table["duration_ticks"] * factor).clip(1)
  meters["tick"] = np.rint(meters["tick"] * factor)
  return notes.Piece(ticks_per_beat, notes.sort(table), meters=meters)


def to_muspy(piece: notes.Piece) -> muspy.Music:
  """The same notes; a part has either drums or none, as muspy wants it."""
  tracks = []
  for drum in (False, True):
    table = piece.notes[piece.notes["is_drum"] == drum]
    found = [
      muspy.Note(start, pitch, duration, velocity)
      for start, duration, pitch, velocity, *_ in table.tolist()
    ]
    if found:
      tracks.append(muspy.Track(is_drum=drum, notes=found))
  return muspy.Music(resolution=piece.ticks_per_beat, tracks=tracks)
