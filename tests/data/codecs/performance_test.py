"""Performance events: the published table, round trips, what is lost."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from musegen_jax.data import notes
from musegen_jax.data.codecs import codec as codec_lib
from musegen_jax.data.codecs import performance

CODEC = performance.CODEC


def make_piece(rows: list[tuple[int, int, int, int]]) -> notes.Piece:
  """(start, end, pitch, velocity) in steps of 10 ms."""
  start, end, pitch, velocity = np.array(rows).T
  table = notes.make_notes(start * 10, (end - start) * 10, pitch, velocity)
  return notes.Piece(500, table)


@st.composite
def grid_rows(draw: st.DrawFn) -> list[tuple[int, int, int, int]]:
  """Notes on the grid from step 0 on, none overlapping one of its pitch."""
  free: dict[int, int] = {}
  rows = []
  for _ in range(draw(st.integers(1, 30))):
    pitch = draw(st.integers(0, 127))
    start = free.get(pitch, 0) + draw(st.integers(0, 250))
    end = start + draw(st.integers(1, 250))
    free[pitch] = end
    rows.append((start, end, pitch, 1 + 4 * draw(st.integers(0, 31))))
  first = min(row[0] for row in rows)
  return [(s - first, e - first, p, v) for s, e, p, v in rows]


def test_vocabulary_is_the_published_table() -> None:
  assert CODEC.offsets == {
    "note_on": 0,
    "note_off": 128,
    "time_shift": 256,
    "velocity": 356,
    "begin": 388,
    "end": 389,
    "pad": 390,
  }


def test_events_in_order() -> None:
  piece = make_piece([(0, 250, 60, 81), (0, 250, 64, 81), (250, 260, 60, 1)])
  expected = [
    *(356 + 20, 60, 64),  # velocity bin 21, two onsets
    *(355, 355, 256 + 49),  # 2.5 seconds
    # The off of a note comes before that of a later one, an on after both.
    *(128 + 60, 128 + 64, 356, 60, 256 + 9, 128 + 60),
  ]
  assert CODEC.encode(piece, 1.0).tolist() == expected


@given(grid_rows())
def test_decode_inverts_encode(rows: list[tuple[int, int, int, int]]) -> None:
  piece = make_piece(rows)
  again = CODEC.decode(CODEC.encode(piece, 1.0))
  np.testing.assert_array_equal(again.notes, piece.notes)
  assert again.ticks_per_beat == piece.ticks_per_beat


@given(st.lists(st.integers(0, CODEC.vocab_size - 1), max_size=200))
def test_any_tokens_decode_to_a_valid_piece(tokens: list[int]) -> None:
  piece = CODEC.decode(np.array(tokens, np.int16))
  notes.check(piece)
  if len(piece.notes):
    once = CODEC.decode(CODEC.encode(piece, 1.0))
    twice = CODEC.decode(CODEC.encode(once, 1.0))
    np.testing.assert_array_equal(once.notes, twice.notes)


def test_follows_the_tempo_map() -> None:
  piece = notes.Piece(
    480,
    notes.make_notes(np.array([0, 480, 960]), [240] * 3, [60, 62, 64]),
    np.array([(0, 500_000), (480, 1_000_000)], notes.TEMPO),
  )
  again = CODEC.decode(CODEC.encode(piece, 1.0))
  # The beats last 0.5 and then 1 second; a tick of the codec is 1 ms.
  assert again.notes["start_tick"].tolist() == [0, 500, 1500]
  assert again.notes["duration_ticks"].tolist() == [250, 500, 500]


def test_stretch_scales_time_alone() -> None:
  piece = make_piece([(0, 100, 60, 81), (200, 300, 62, 81)])
  again = CODEC.decode(CODEC.encode(piece, 1.05))
  assert again.notes["start_tick"].tolist() == [0, 2100]
  assert again.notes["pitch"].tolist() == [60, 62]


def test_drums_are_left_out() -> None:
  piece = make_piece([(0, 10, 36, 81), (0, 10, 60, 81)])
  piece.notes["is_drum"] = [True, False]
  assert 36 not in CODEC.encode(piece, 1.0).tolist()
  piece.notes["is_drum"] = True
  with pytest.raises(codec_lib.Unencodable, match="drums"):
    CODEC.encode(piece, 1.0)


@given(grid_rows(), st.integers(-127, 127))
def test_transpose_moves_every_pitch(rows: list, shift: int) -> None:
  piece = make_piece(rows)
  tokens = CODEC.encode(piece, 1.0)
  low, high = CODEC.shift_bounds(tokens)
  if low <= shift <= high:
    moved = CODEC.decode(CODEC.transpose(tokens, shift)).notes
    pitches = piece.notes["pitch"].astype(int) + shift
    np.testing.assert_array_equal(moved["pitch"], pitches)
  else:
    with pytest.raises(ValueError, match="outside"):
      CODEC.transpose(tokens, shift)


def test_counts() -> None:
  tokens = CODEC.framed(
    CODEC.encode(make_piece([(0, 150, 60, 81), (50, 150, 64, 81)]), 1.0)
  )
  assert CODEC.note_count(tokens) == 2
  assert CODEC.duration_seconds(tokens) == pytest.approx(1.5)
