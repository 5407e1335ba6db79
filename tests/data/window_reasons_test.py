"""What `windows` leaves out, and why."""

import pathlib

import numpy as np
import pytest

from musegen_jax.data import shards, windows
from musegen_jax.data.codecs import codec as codec_lib
from musegen_jax.data.codecs import drums, melody
from musegen_jax.errors import UserError
from tests.data.pieces import make_piece, part, scale

CODEC = melody.CODEC


def bars_of(found: windows.Cut) -> list[int]:
  return [window.bar for window in found.windows]


def test_bars_longer_than_sixteen_steps_are_left_out() -> None:
  piece = make_piece(
    part(scale(0, 108)), meters=[(0, 9, 8), (54, 4, 4), (86, 5, 32)]
  )
  found = windows.cut(piece, CODEC, 16)
  assert bars_of(found) == [3, 4]
  reason = "window: bars longer than 16 steps or off the grid"
  # Three bars of 18 steps and the 22 steps in bars of two and a half.
  assert found.skipped == {reason: 3 + 9}


@pytest.mark.parametrize(("beat", "kept"), [(540_000, 3), (560_000, 1)])
def test_tempo_changes(beat: int, kept: int) -> None:
  piece = make_piece(part(scale(0, 64)), tempos=[(0, 500_000), (24, beat)])
  found = windows.cut(piece, CODEC, 32)
  assert len(found.windows) == kept
  assert found.skipped["window: tempo change"] == 3 - kept


def test_repeats_and_silence() -> None:
  twice = scale(0, 16) + [(a + 16, b + 16, p) for a, b, p in scale(0, 16)]
  piece = make_piece(part([*twice, (32, 34, 70), (65, 66, 71)]))
  found = windows.cut(piece, CODEC, 16)
  assert bars_of(found) == [0, 2, 4]
  assert found.skipped == {
    "window: repeats an earlier one": 1,
    "window: nearly silent": 1,
  }
  every = windows.cut(piece, CODEC, 16, keep_all=True)
  assert bars_of(every) == [0, 1, 2, 4]
  # One onset in two bars is too few, unless all are to be kept.
  assert bars_of(windows.cut(piece, CODEC, 32)) == [0, 1]
  whole = windows.cut(piece, CODEC, 32, keep_all=True)
  assert bars_of(whole) == [0, 1, 2, 3]


def test_a_second_part_that_doubles_the_first_gives_nothing() -> None:
  piece = make_piece(part(scale(0, 32)), part(scale(0, 32), track=1))
  found = windows.cut(piece, CODEC, 16)
  assert [window.track for window in found.windows] == [0, 0]
  assert found.left_out == {"track 1 (program 0)": "repeats an earlier one"}


def test_limit_spreads_evenly() -> None:
  piece = make_piece(part(scale(0, 16 * 12)))
  found = windows.cut(piece, CODEC, 16, limit=3)
  assert bars_of(found) == [2, 6, 10]
  assert found.skipped == {"window: beyond the limit a piece": 9}
  assert bars_of(windows.cut(piece, CODEC, 16, limit=12)) == list(range(12))


def test_parts_that_gave_nothing_have_a_reason() -> None:
  chords = part([(0, 8, 60), (0, 8, 64)], track=1)
  kit = part([(0, 1, 36)], track=2)
  kit["is_drum"] = True
  sparse = part([(0, 16, 30)], track=4)
  low = part([(0, 4, 10)], track=3)
  piece = make_piece(part(scale(0, 32)), chords, kit, low, sparse)
  found = windows.cut(piece, CODEC, 32)
  assert found.left_out == {
    "track 1 (program 0)": "polyphonic beside one-voiced parts",
    "track 2 (program 0)": "drums",
    "track 3 (program 0)": "no pitches in 21..108",
    "track 4 (program 0)": "nearly silent",
  }
  assert found.skipped == {
    "part: polyphonic beside one-voiced parts": 1,
    "part: drums": 1,
    "part: no pitches in 21..108": 1,
    "window: nearly silent": 1,
  }
  few = windows.cut(piece, CODEC, 16, limit=1)
  assert few.left_out["track 4 (program 0)"] == "beyond the limit a piece"


def test_nothing_left_of_a_piece() -> None:
  short = windows.cut(make_piece(part(scale(0, 16))), CODEC, 32)
  assert not short.windows
  assert short.skipped == {
    "window: shorter than a window": 1,
    "piece: no window": 1,
  }
  assert short.left_out == {"track 0 (program 0)": "shorter than a window"}
  deep = windows.cut(make_piece(part([(0, 4, 12)])), CODEC, 32)
  assert deep.skipped["piece: no usable part"] == 1


def test_a_meter_of_absurd_length_is_left_out() -> None:
  piece = make_piece(part([(0, 4, 60), (16 * 10**6, 16 * 10**6 + 4, 62)]))
  found = windows.cut(piece, CODEC, 16)
  assert found.left_out["track 0 (program 0)"] == "more than 1048576 steps"


@pytest.mark.parametrize("length", [0, 24, -16])
def test_windows_hold_whole_bars(length: int) -> None:
  with pytest.raises(UserError, match="multiple of 16"):
    windows.cut(make_piece(part(scale(0, 32))), CODEC, length)


def test_windows_of_a_codec_without_bars_begin_where_its_cycle_does() -> None:
  codec = codec_lib.load("voices")
  lines = [part([(0, 30, 70 - 5 * track)], track) for track in range(4)]
  piece = make_piece(*lines)
  found = windows.cut(piece, codec, 32).windows
  said = np.concatenate([window.tokens for window in found])
  np.testing.assert_array_equal(said, codec.encode(piece)[: 3 * 32])
  with pytest.raises(UserError, match="multiple of 16"):
    windows.cut(piece, codec, 24)


def test_a_split_without_windows_says_why(tiny_dataset: pathlib.Path) -> None:
  dataset = shards.open_dataset(tiny_dataset)
  with pytest.raises(UserError, match="shorter than a window: "):
    windows.encode_split(dataset, "valid", CODEC, 256, limit=0)
  with pytest.raises(UserError, match="part: no drums: "):
    windows.encode_split(dataset, "valid", drums.CODEC, 16, limit=0)
