"""Windows of whole bars, and what is in them."""

import collections
import pathlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from musegen_jax.data import midi, shards, windows
from musegen_jax.data.codecs import codec as codec_lib
from musegen_jax.data.codecs import drums, melody, performance
from tests.data.pieces import STEP, make_piece, part, scale

CODEC = melody.CODEC
NO_EVENT, NOTE_OFF = 0, 1


def token(pitch: int) -> int:
  return CODEC.offsets["pitch"] + pitch - 21


def bars_of(found: windows.Cut) -> list[int]:
  return [window.bar for window in found.windows]


def test_windows_slide_by_a_bar() -> None:
  found = windows.cut(make_piece(part(scale(0, 64))), CODEC, 32)
  assert bars_of(found) == [0, 1, 2]
  assert found.skipped == collections.Counter()
  first, second, third = (window.tokens for window in found.windows)
  assert first.dtype == np.int16 and first.shape == (32,)
  np.testing.assert_array_equal(first[16:], second[:16])
  np.testing.assert_array_equal(second[16:], third[:16])


def test_stride_of_a_window_shows_every_bar_once() -> None:
  piece = make_piece(part(scale(0, 80)))
  found = windows.cut(piece, CODEC, 32, stride_bars=2)
  assert bars_of(found) == [0, 2]
  joined = np.concatenate([window.tokens for window in found.windows])
  np.testing.assert_array_equal(joined, CODEC.encode(piece, 1.0)[:64])


@pytest.mark.parametrize("meter", [(3, 4), (6, 8)])
def test_shorter_bars_are_filled_up(meter: tuple[int, int]) -> None:
  piece = make_piece(part(scale(0, 36)), meters=[(0, *meter)])
  found = windows.cut(piece, CODEC, 32)
  assert bars_of(found) == [0, 1]
  slots = found.windows[1].tokens.reshape(2, 16)
  assert (slots[:, 12:] == CODEC.pad).all() and (
    slots[:, :12] != CODEC.pad
  ).all()
  assert slots[0, 0] == token(46) and slots[1, 0] == token(52)
  np.testing.assert_array_equal(
    windows.mask(slots, CODEC), np.arange(16)[None] < [[12], [12]]
  )
  # Pad takes no time: the notes stay next to each other.
  again = CODEC.decode(found.windows[1].tokens).notes
  assert again["start_tick"].tolist() == list(range(0, 24 * STEP, 2 * STEP))


def test_a_window_lies_within_one_meter() -> None:
  meters = [(0, 4, 4), (40, 3, 4), (76, 4, 4)]
  piece = make_piece(part(scale(0, 108)), meters=meters)
  found = windows.cut(piece, CODEC, 32)
  # Half of bar 2 is lost to the change, the next bar begins at its tick.
  assert bars_of(found) == [0, 3, 4, 6]
  assert found.windows[1].tokens[0] == token(60)
  assert found.windows[3].tokens[0] == token(78)


def test_a_pickup_keeps_its_place() -> None:
  piece = make_piece(part([(12, 14, 60), (14, 18, 62), (20, 32, 64)]))
  tokens = windows.cut(piece, CODEC, 32).windows[0].tokens
  assert tokens[:12].tolist() == [NO_EVENT] * 12
  assert tokens[12:22].tolist() == [
    token(60), 0, token(62), 0, 0, 0, NOTE_OFF, 0, token(64), 0
  ]  # fmt: skip
  assert not tokens[22:].any()


def test_a_note_tied_over_is_not_heard_nor_is_its_end() -> None:
  rows = [(0, 4, 60), (4, 22, 62), (24, 28, 64), (28, 30, 65), (30, 31, 66)]
  piece = make_piece(part(rows))
  found = windows.cut(piece, CODEC, 16)
  second = found.windows[1].tokens
  assert bars_of(found) == [0, 1]
  assert not second[:8].any() and second[8] == token(64)
  # The last bar is completed by silence; its note ends.
  assert second[-2:].tolist() == [token(66), NOTE_OFF]
  # In the bar before, the note sounds to the end.
  assert not found.windows[0].tokens[5:].any()
  # A window that holds both bars says when it ends.
  assert windows.cut(piece, CODEC, 32).windows[0].tokens[22] == NOTE_OFF


def test_notes_go_to_the_nearest_sixteenth_of_their_bar() -> None:
  meters = [(1, 4, 4)]  # the grid begins a sixteenth late
  late = [(1, 5, 60), (5, 9, 62), (9, 17, 64), (17, 33, 65), (20, 33, 67)]
  piece = make_piece(part(late), meters=meters)
  # 50 ticks of 120 do not reach the next step, 70 do, also over a barline.
  piece.notes["start_tick"] += np.array([50, 70, -50, -70, 0])
  found = windows.cut(piece, CODEC, 16)
  first, second = (window.tokens for window in found.windows)
  assert (first > NOTE_OFF).nonzero()[0].tolist() == [0, 5, 8, 15]
  assert (second > NOTE_OFF).nonzero()[0].tolist() == [3]
  piece.notes["start_tick"][3] += 20
  second = windows.cut(piece, CODEC, 16).windows[1].tokens
  assert second[0] == token(65)


@given(st.data())
def test_decoding_a_window_gives_its_notes(data: st.DataObject) -> None:
  steps = data.draw(st.sampled_from([8, 12, 16]))
  count = data.draw(st.integers(1, 4))
  edges = sorted(data.draw(st.sets(st.integers(0, steps * count), min_size=2)))
  rows = [
    (start, end, data.draw(st.integers(21, 108)))
    for start, end in zip(edges, edges[1:], strict=False)
    if data.draw(st.booleans()) or start == edges[0]
  ]
  # So that the piece has all its bars; later than every window's notes.
  whole = part([*rows, (steps * count, steps * (count + 1), 21)])
  piece = make_piece(whole, meters=[(0, steps, 16)])
  found = windows.cut(piece, CODEC, 16 * count, keep_all=True)
  window = found.windows[0]
  assert window.bar == 0
  again = CODEC.decode(window.tokens)
  np.testing.assert_array_equal(again.notes, part(rows))


@pytest.mark.parametrize("count", [1, 2, 3, 5])
def test_a_whole_piece_ends_in_a_completed_window(count: int) -> None:
  rows = [(0, 4, 60), (16 * count - 6, 16 * count - 2, 62)]
  piece = make_piece(part(rows))
  options = {"stride_bars": 2, "keep_all": True}
  found = windows.cut(piece, CODEC, 32, **options).windows
  whole = np.concatenate([window.tokens for window in found])
  onsets = (CODEC.grammar.opens[whole] >= 0).nonzero()[0]
  # A window without an onset in the middle is left out, and the gap closes.
  skipped = 16 * (found[-1].bar - 2 * (len(found) - 1))
  assert onsets.tolist() == [0, 16 * count - 6 - skipped]
  again = CODEC.decode(found[-1].tokens).notes
  assert again["duration_ticks"][-1] == 4 * 120


def test_drums_are_one_part() -> None:
  kick = part([(at, at + 1, 36) for at in range(0, 32, 4)], track=3)
  hat = part([(at, at + 1, 42) for at in range(0, 32, 2)], track=5)
  kick["is_drum"] = hat["is_drum"] = True
  piece = make_piece(kick, hat, part(scale(0, 32), track=1))
  found = windows.cut(piece, drums.CODEC, 32)
  assert [window.track for window in found.windows] == [-1]
  expected = np.tile([0b101, 0, 0b100, 0], 8)
  np.testing.assert_array_equal(found.windows[0].tokens, expected)
  assert found.left_out == {"track 1 (program 0)": "no drums"}
  short = windows.cut(piece, drums.CODEC, 48)
  assert short.left_out["drums"] == "shorter than a window"


def test_performance_windows_follow_each_other() -> None:
  codec = performance.CODEC
  piece = make_piece(part(scale(0, 64)))
  tokens = codec.encode(piece, 1.0)
  count = len(tokens) // 30
  found = windows.cut(piece, codec, 30)
  assert bars_of(found) == list(range(count)) and len(tokens) % 30
  joined = np.concatenate([window.tokens for window in found.windows])
  np.testing.assert_array_equal(joined, tokens[: count * 30])
  assert {window.track for window in found.windows} == {-1}
  assert found.skipped == {"window: shorter than a window": 1}
  assert bars_of(windows.cut(piece, codec, 30, limit=1)) == [count // 2]
  long = windows.cut(piece, codec, 1000)
  assert long.left_out == {"all parts": "shorter than a window"}
  piece.notes["is_drum"] = True
  found = windows.cut(piece, codec, 30)
  assert found.skipped == {"piece: no pitched notes, only drums": 1}


def test_encode_split(tiny_dataset: pathlib.Path) -> None:
  dataset = shards.open_dataset(tiny_dataset)
  chosen = dataset.split("train")
  # Tune and bass of three bars: two windows of each.
  found = windows.encode_split(dataset, "train", CODEC, 32, limit=3)
  assert found.rows == chosen
  assert found.tokens.shape == (len(found), 32) == (3 * len(chosen), 32)
  assert np.bincount(found.piece).tolist() == [3] * len(chosen)
  assert found.skipped == {"window: beyond the limit a piece": len(chosen)}
  for number, row in enumerate(chosen):
    expected = windows.cut(dataset.load(row), CODEC, 32, limit=3).windows
    at = (found.piece == number).nonzero()[0]
    assert found.bar[at].tolist() == [window.bar for window in expected]
    assert found.track[at].tolist() == [window.track for window in expected]
    for i, window in zip(at, expected, strict=True):
      np.testing.assert_array_equal(found.tokens[i], window.tokens)


@pytest.mark.parametrize(
  ("file", "codec"),
  [
    ("folk/nottingham/jigs1.mid", CODEC),
    ("drums/groove/**/*beat_4-4.mid", drums.CODEC),
    ("rock_electronic/**/*.mid", CODEC),
  ],
)
def test_real_files(
  shared_data: pathlib.Path, file: str, codec: codec_lib.Codec
) -> None:
  path = sorted(shared_data.glob(file))[0]
  piece = midi.read_midi(path.read_bytes()).piece
  found = windows.cut(piece, codec, 32, keep_all=True)
  tracks = {window.track for window in found.windows}
  names = np.unique(piece.notes["track"])
  if codec is CODEC:
    assert len(tracks) + len(found.left_out) == len(names)
  for window in found.windows:
    decoded = codec.decode(window.tokens)
    assert len(decoded.notes) == codec.note_count(window.tokens) > 0
