"""All music is heard by one codec, at one length."""

import numpy as np
import pytest

from musegen_jax.comparison import hearing
from musegen_jax.comparison.hearing import Hearing
from musegen_jax.data import notes
from musegen_jax.data.codecs import codec as codec_lib
from musegen_jax.errors import UserError
from tests.comparison import tunes

MELODY = codec_lib.load("melody")
PERFORMANCE = codec_lib.load("performance")
FOUR_BARS = Hearing(MELODY, 64, 8.0)


def waltz() -> notes.Piece:
  piece = tunes.tune(0)
  meters = np.array([(0, 3, 4)], notes.METER)
  return notes.Piece(piece.ticks_per_beat, piece.notes, meters=meters)


def test_a_window_says_its_piece() -> None:
  piece = tunes.tune(3)
  [tokens] = FOUR_BARS.cut(piece)
  heard = FOUR_BARS.decode(tokens)
  np.testing.assert_array_equal(heard.notes["pitch"], piece.notes["pitch"])
  beats = heard.notes["start_tick"] / heard.ticks_per_beat
  np.testing.assert_array_equal(beats, piece.notes["start_tick"] / tunes.BEAT)


def test_bars_that_no_model_writes_are_left_out() -> None:
  assert not FOUR_BARS.cut(waltz())


def test_what_is_too_short_counts_only_when_asked() -> None:
  piece = tunes.tune(0, bars=2)
  assert not FOUR_BARS.cut(piece)
  [tokens] = FOUR_BARS.cut(piece, keep_all=True)
  assert len(tokens) == 64


@pytest.mark.parametrize("codec", [MELODY, PERFORMANCE], ids=lambda c: c.name)
def test_beginnings_of_pieces_have_one_length(codec: codec_lib.Codec) -> None:
  own = Hearing(codec, 0, 5.0)
  [tokens] = own.cut(tunes.tune(1))
  assert codec.duration_seconds(tokens) <= 5.0
  assert codec.duration_seconds(tokens) > 4.0
  assert notes.seconds(own.decode(tokens)) <= 5.0 + 1e-6
  assert not Hearing(codec, 0, 60.0).cut(tunes.tune(1))


def test_nothing_sounds_beyond_the_end() -> None:
  table = notes.make_notes(np.array([0]), np.array([7]), np.array([60]))
  held = notes.Piece(1, table)
  own = Hearing(PERFORMANCE, 0, 2.0)
  [tokens] = own.cut(held)
  assert notes.seconds(own.decode(tokens)) <= 2.0


def test_windows_of_tokens_are_filled_up_only_when_asked() -> None:
  own = Hearing(PERFORMANCE, 16, 4.0)
  piece = tunes.tune(2)
  [tokens] = own.cut(piece)
  assert len(tokens) == 16
  table = piece.notes[:2]
  short = notes.Piece(piece.ticks_per_beat, table)
  assert not own.cut(short)
  [tokens] = own.cut(short, keep_all=True)
  assert 0 < len(tokens) < 16
  stacked = own.stack([own.excerpt(tokens, 0)])
  assert stacked.shape == (1, 16)
  assert stacked[0, -1] == PERFORMANCE.pad


def test_the_poorest_codec_and_the_shortest_excerpt_are_common() -> None:
  eight = Hearing(MELODY, 128, 16.0)
  whole = Hearing(MELODY, 0, 8.0)
  spoken = Hearing(PERFORMANCE, 0, 8.0)
  assert hearing.common({"a": eight, "b": FOUR_BARS}) == FOUR_BARS
  assert hearing.common({"a": whole, "b": eight}) == eight
  assert hearing.common({"a": spoken, "b": whole}) == whole
  assert hearing.common({"a": spoken}) == spoken


def test_drums_and_pitches_have_nothing_in_common() -> None:
  drums = Hearing(codec_lib.load("drums"), 32, 4.0)
  with pytest.raises(UserError, match="a: melody, b: drums"):
    hearing.common({"a": FOUR_BARS, "b": drums})
