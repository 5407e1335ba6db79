"""Drums on a sixteenth grid."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from musegen_jax.data import notes
from musegen_jax.data.codecs import codec as codec_lib
from musegen_jax.data.codecs import drums

CODEC = drums.CODEC


def make_piece(rows: list[tuple[int, int]], **fields: object) -> notes.Piece:
  """(start, pitch), starts in sixteenths."""
  start, pitch = np.array(rows).T
  fields = {"is_drum": True} | fields
  length = np.full(len(start), 30)
  table = notes.make_notes(start * 120, length, pitch, **fields)
  return notes.Piece(480, table)


def test_words_are_nine_bits() -> None:
  assert CODEC.offsets["begin"] == 512
  assert not CODEC.is_pitch.any()


@pytest.mark.parametrize(
  ("pitch", "bit"),
  [(36, 0), (35, 0), (38, 1), (42, 2), (46, 3), (45, 4), (48, 5), (50, 6)]
  + [(49, 7), (51, 8), (22, 2), (26, 3), (85, 1), (82, 8), (87, 5), (58, 7)],
)
def test_class_of_pitch(pitch: int, bit: int) -> None:
  assert CODEC.encode(make_piece([(0, pitch)]), 1.0).tolist() == [1 << bit]


def test_classes_share_no_pitch() -> None:
  pitches = [pitch for of_class in drums.CLASSES.values() for pitch in of_class]
  assert sorted(pitches) == [22, *range(26, 88)]


def test_a_word_opens_its_lowest_class() -> None:
  grammar = CODEC.grammar
  assert grammar.opens[[0, 0b1, 0b110, 1 << 8]].tolist() == [-1, 36, 38, 51]
  assert grammar.note_counts[[0, 0b1, 0b110, 511]].tolist() == [0, 1, 2, 9]
  assert (grammar.steps[: CODEC.begin] == 1).all()


def test_what_strikes_together_is_one_word() -> None:
  rows = [(17, 36), (17, 35), (17, 42), (19, 38), (19, 24)]
  piece = make_piece(rows)
  # Off the grid by less than half a step.
  piece.notes["start_tick"] += np.array([0, 10, -10, 50, 0])
  assert CODEC.encode(piece, 1.0).tolist() == [0, 0b101, 0, 0b10]


@given(st.lists(st.integers(0, 511), min_size=1, max_size=60))
def test_encode_inverts_decode(words: list[int]) -> None:
  # What is left out: silent bars before, silence after.
  words = [1 << 3, *words, 1]
  piece = CODEC.decode(np.array(words, np.int16))
  notes.check(piece)
  assert piece.notes["is_drum"].all()
  assert (piece.notes["duration_ticks"] == 120).all()
  tokens = CODEC.encode(piece, 1.0)
  assert tokens.tolist() == words
  assert CODEC.note_count(tokens) == len(piece.notes)
  np.testing.assert_array_equal(CODEC.decode(tokens).notes, piece.notes)


def test_notes_are_the_first_of_their_class() -> None:
  table = CODEC.decode(np.array([CODEC.begin, 0b111, CODEC.pad, 0, 2])).notes
  assert table["pitch"].tolist() == [36, 38, 42, 38]
  assert table["start_tick"].tolist() == [0, 0, 0, 240]
  assert (table["velocity"] == 80).all()


def test_parts_are_merged_and_others_left_out() -> None:
  parts = [
    make_piece([(0, 36)], track=2).notes,
    make_piece([(4, 38)], track=0).notes,
    make_piece([(0, 24)], track=1).notes,
    make_piece([(0, 60)], track=3, is_drum=False, program=25).notes,
  ]
  piece = notes.Piece(480, notes.sort(np.concatenate(parts)))
  (line,), left_out = CODEC.grid.lines(piece)
  assert line.track == -1
  assert line.notes["pitch"].tolist() == [36, 38]
  assert left_out == {
    "track 1 (program 0)": "no known drum pitches",
    "track 3 (program 25)": "no drums",
  }


@pytest.mark.parametrize(("pitch", "is_drum"), [(24, True), (36, False)])
def test_nothing_to_say(pitch: int, is_drum: bool) -> None:
  with pytest.raises(codec_lib.Unencodable, match="no drum notes"):
    CODEC.encode(make_piece([(0, pitch)], is_drum=is_drum), 1.0)


def test_no_stretch() -> None:
  with pytest.raises(ValueError, match="stretch"):
    CODEC.encode(make_piece([(0, 36)]), 1.05)
