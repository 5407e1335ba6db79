"""Pieces the tests of bars and windows are about; times in sixteenths."""

import numpy as np

from musegen_jax.data import notes

STEP = 120  # ticks


def part(rows: list[tuple[int, int, int]], track: int = 0) -> np.ndarray:
  """(start, end, pitch) in sixteenths."""
  start, end, pitch = np.array(rows).T
  return notes.make_notes(
    start * STEP, (end - start) * STEP, pitch, track=track
  )


def scale(first: int, last: int, length: int = 2) -> list:
  """A note every `length` sixteenths, no two bars alike."""
  starts = range(first, last, length)
  return [(at, at + length, 40 + at // length % 60) for at in starts]


def make_piece(
  *parts: np.ndarray,
  meters: list[tuple[int, int, int]] = (),
  tempos: list[tuple[int, int]] = (),
) -> notes.Piece:
  """Times of meters and tempos in sixteenths."""
  return notes.Piece(
    480,
    notes.sort(np.concatenate(parts)),
    np.array([(at * STEP, beat) for at, beat in tempos], notes.TEMPO),
    np.array([(at * STEP, *over) for at, *over in meters], notes.METER),
  )
