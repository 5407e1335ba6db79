"""Melody on a sixteenth grid."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from musegen_jax.data import notes
from musegen_jax.data.codecs import codec as codec_lib
from musegen_jax.data.codecs import melody

CODEC = melody.CODEC


def make_piece(rows: list[tuple[int, int, int]], track: int = 0) -> notes.Piece:
  """(start, end, pitch) in sixteenths."""
  start, end, pitch = np.array(rows).T
  table = notes.make_notes(start * 120, (end - start) * 120, pitch, track=track)
  return notes.Piece(480, table)


def test_ninety_classes() -> None:
  assert CODEC.offsets["begin"] == 90
  assert CODEC.offsets["pitch"] == 2


def test_events_in_order() -> None:
  piece = make_piece([(17, 19, 60), (19, 20, 62), (22, 24, 21)])
  # The silent first bar is left out, a rest is a note-off.
  assert CODEC.encode(piece, 1.0).tolist() == [0, 41, 0, 43, 1, 0, 2, 0]


@given(
  st.lists(
    st.tuples(st.integers(0, 20), st.integers(1, 20), st.integers(21, 108)),
    min_size=1,
    max_size=30,
  )
)
def test_decode_inverts_encode(gaps: list[tuple[int, int, int]]) -> None:
  rows, at = [], 0
  for gap, length, pitch in gaps:
    start = at + (gap if rows else gap % 16)
    rows.append((start, start + length, pitch))
    at = start + length
  piece = make_piece(rows)
  tokens = CODEC.encode(piece, 1.0)
  again = CODEC.decode(tokens)
  np.testing.assert_array_equal(again.notes, piece.notes)
  assert CODEC.note_count(tokens) == len(rows)


@given(st.lists(st.integers(0, CODEC.vocab_size - 1), max_size=100))
def test_any_tokens_decode_to_a_valid_piece(tokens: list[int]) -> None:
  notes.check(CODEC.decode(np.array(tokens, np.int16)))


def test_one_voiced_part_goes_before_a_higher_chordal_one() -> None:
  chords = make_piece([(0, 8, 90), (0, 8, 94), (8, 16, 90)], track=0)
  tune = make_piece([(0, 4, 70), (4, 8, 72)], track=1)
  bass = make_piece([(0, 4, 40), (4, 8, 43)], track=2)
  parts = [chords.notes, tune.notes, bass.notes]
  piece = notes.Piece(480, notes.sort(np.concatenate(parts)))
  part = melody.melody_part(piece)
  assert part["pitch"].tolist() == [70, 72]


def test_lines_and_the_reasons_of_other_parts() -> None:
  chords = make_piece([(0, 8, 90), (0, 8, 94), (8, 16, 90)], track=0)
  bass = make_piece([(0, 4, 40), (4, 8, 43)], track=1)
  tune = make_piece([(0, 4, 70), (4, 8, 72), (8, 9, 15)], track=2)
  kit = make_piece([(0, 1, 36)], track=3)
  kit.notes["is_drum"] = True
  deep = make_piece([(0, 1, 12)], track=4)
  deep.notes["program"] = 25
  parts = [part.notes for part in (chords, bass, tune, kit, deep)]
  piece = notes.Piece(480, notes.sort(np.concatenate(parts)))
  lines, left_out = CODEC.grid.lines(piece)
  assert [line.track for line in lines] == [2, 1]
  assert lines[0].notes["pitch"].tolist() == [70, 72]
  assert left_out == {
    "track 0 (program 0)": "polyphonic beside one-voiced parts",
    "track 3 (program 0)": "drums",
    "track 4 (program 25)": "no pitches in 21..108",
  }


def test_polyphonic_parts_are_lines_where_there_are_no_others() -> None:
  low = make_piece([(0, 8, 50), (0, 8, 54)], track=0)
  high = make_piece([(0, 8, 90), (0, 8, 94)], track=1)
  table = notes.sort(np.concatenate([low.notes, high.notes]))
  lines, left_out = CODEC.grid.lines(notes.Piece(480, table))
  assert [line.track for line in lines] == [1, 0] and not left_out


@pytest.mark.parametrize(("overlaps", "lines"), [(5, [1]), (6, [0, 1])])
def test_a_little_overlap_is_no_polyphony(
  overlaps: int, lines: list[int]
) -> None:
  # 119 pairs of neighbours, five or six of which sound together.
  rows = [(2 * i, 2 * i + 2 + (i < overlaps), 60) for i in range(120)]
  chords = make_piece([(0, 8, 40), (0, 8, 44)], track=0)
  tune = make_piece(rows, track=1)
  table = notes.sort(np.concatenate([tune.notes, chords.notes]))
  found, _ = CODEC.grid.lines(notes.Piece(480, table))
  assert sorted(line.track for line in found) == lines


def test_quantise_hears_from_a_tick_on() -> None:
  part = make_piece([(2, 6, 60), (6, 8, 62), (9, 20, 64)]).notes
  tokens = CODEC.grid.quantise(part, 4 * 120.0, 120.0, 8)
  # The note begun before is not heard, nor its end; the last one sounds on.
  assert tokens.tolist() == [0, 0, 43, 0, 1, 45, 0, 0]
  assert tokens.dtype == np.int16


def test_top_line_of_chords() -> None:
  piece = make_piece([(0, 4, 60), (0, 8, 67), (4, 8, 55), (4, 6, 64)])
  assert CODEC.decode(CODEC.encode(piece, 1.0)).notes["pitch"].tolist() == [
    67,
    64,
  ]


@pytest.mark.parametrize(
  ("pitch", "is_drum"), [(60, True), (20, False), (109, False)]
)
def test_nothing_to_say(pitch: int, is_drum: bool) -> None:
  piece = make_piece([(0, 4, pitch)])
  piece.notes["is_drum"] = is_drum
  with pytest.raises(codec_lib.Unencodable, match=r"21\.\.108"):
    CODEC.encode(piece, 1.0)


def test_no_stretch() -> None:
  with pytest.raises(ValueError, match="stretch"):
    CODEC.encode(make_piece([(0, 4, 60)]), 1.05)
