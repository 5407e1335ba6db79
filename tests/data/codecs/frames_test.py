"""Piano-roll frames: round trips, held and struck, grids, what is lost."""

import pathlib
import tracemalloc

import numpy as np
import pretty_midi
import pytest
from hypothesis import given
from hypothesis import strategies as st

from musegen_jax.data import frames as frames_lib
from musegen_jax.data import midi, notes
from musegen_jax.data.codecs import codec as codec_lib
from musegen_jax.data.codecs import frames

CODEC = frames.CODEC
STEP = CODEC.offsets["step"]
TICKS = 240  # an eighth note


def struck(pitch: int) -> int:
  return CODEC.offsets["struck"] + pitch - 21


def held(pitch: int) -> int:
  return CODEC.offsets["held"] + pitch - 21


def make_piece(
  rows: list[tuple[float, float, int]], **fields: object
) -> notes.Piece:
  """(start, end, pitch) in eighths."""
  start, end, pitch = np.array(rows).T
  length = (end - start) * TICKS
  return notes.Piece(
    480, notes.make_notes(start * TICKS, length, pitch, **fields)
  )


def one(start_tick: int, duration_ticks: int) -> notes.Piece:
  table = notes.make_notes(np.array([start_tick]), [duration_ticks], [60])
  return notes.Piece(480, table)


@st.composite
def grid_rows(draw: st.DrawFn) -> list[tuple[int, int, int]]:
  """Notes on the grid, the first in the first bar, none overlapping one of
  its key."""
  free: dict[int, int] = {}
  rows = []
  for _ in range(draw(st.integers(1, 30))):
    pitch = draw(st.integers(21, 108))
    start = free.get(pitch, 0) + draw(st.integers(0, 40))
    end = start + draw(st.integers(1, 40))
    free[pitch] = end
    rows.append((start, end, pitch))
  first = min(row[0] for row in rows) // 8 * 8
  return [(start - first, end - first, pitch) for start, end, pitch in rows]


def test_vocabulary() -> None:
  offsets = {"struck": 0, "held": 88, "step": 176, "begin": 177, "end": 178}
  assert CODEC.offsets == offsets | {"pad": 179}
  assert CODEC.is_pitch.nonzero()[0].tolist() == list(range(176))


def test_a_frame_is_its_keys_from_low_to_high() -> None:
  piece = make_piece([(1, 3, 64), (1, 2, 60), (2, 3, 72), (4, 5, 21)])
  assert CODEC.encode(piece, 1.0).tolist() == [
    *(STEP, struck(60), struck(64), STEP),
    *(held(64), struck(72), STEP),
    *(STEP, struck(21), STEP),
  ]


def test_struck_again_is_not_held() -> None:
  # One note of two eighths, two notes of one; a note that cuts in on another
  # of its key leaves it sounding to the later end.
  long, twice = make_piece([(0, 2, 60)]), make_piece([(0, 1, 60), (1, 2, 60)])
  assert CODEC.encode(long, 1.0).tolist() == [struck(60), STEP, held(60), STEP]
  assert CODEC.encode(twice, 1.0).tolist() == [struck(60), STEP] * 2
  assert len(CODEC.decode(CODEC.encode(twice, 1.0)).notes) == 2
  nested = frames.roll_of(make_piece([(0, 5, 60), (2, 3, 60)]), 2)[:, 39]
  assert nested.tolist() == [1, 2, 1, 2, 2]


@given(grid_rows())
def test_decode_inverts_encode(rows: list[tuple[int, int, int]]) -> None:
  piece = make_piece(rows)
  tokens = CODEC.encode(piece, 1.0)
  again = CODEC.decode(tokens)
  np.testing.assert_array_equal(again.notes, piece.notes)
  assert again.ticks_per_beat == 480
  assert CODEC.note_count(tokens) == len(rows)
  last = max(end for _, end, _ in rows)
  assert CODEC.duration_seconds(tokens) == pytest.approx(last * 0.25)


@given(grid_rows(), st.integers(-87, 87))
def test_transpose_moves_every_key(rows: list, shift: int) -> None:
  piece = make_piece(rows)
  tokens = CODEC.encode(piece, 1.0)
  low, high = CODEC.shift_bounds(tokens)
  if low <= shift <= high:
    moved = CODEC.transpose(tokens, shift)
    piece.notes["pitch"] += np.uint8(shift % 256)
    np.testing.assert_array_equal(moved, CODEC.encode(piece, 1.0))
  else:
    with pytest.raises(ValueError, match="outside"):
      CODEC.transpose(tokens, shift)


@given(st.lists(st.integers(0, CODEC.vocab_size - 1), max_size=100))
def test_any_tokens_decode_to_a_valid_piece(tokens: list[int]) -> None:
  piece = CODEC.decode(np.array(tokens, np.int16))
  notes.check(piece)
  said = [token for token in tokens if token < STEP]
  assert bool(said) == bool(len(piece.notes))


def test_held_without_a_note_begins_one() -> None:
  tokens = [held(60), STEP, held(60), STEP, STEP, held(60)]
  table = CODEC.decode(np.array(tokens, np.int16)).notes
  assert table["start_tick"].tolist() == [0, 3 * TICKS]
  assert table["duration_ticks"].tolist() == [2 * TICKS, TICKS]


@pytest.mark.parametrize("steps_per_beat", [1, 2, 3, 4, 7, 24])
def test_any_grid(steps_per_beat: int) -> None:
  codec = codec_lib.of("frames", steps_per_beat)
  table = notes.make_notes(
    np.array([0, 480, 960]), [480, 480, 960], [60, 60, 67]
  )
  piece = notes.Piece(480, table)
  tokens = codec.encode(piece, 1.0)
  assert (tokens == STEP).sum() == 4 * steps_per_beat
  assert codec.duration_seconds(tokens) == pytest.approx(2.0)
  again = codec.decode(tokens)
  starts = again.notes["start_tick"] / again.ticks_per_beat
  assert starts.tolist() == [0, 1, 2]
  lengths = again.notes["duration_ticks"] / again.ticks_per_beat
  assert lengths.tolist() == [1, 1, 2]
  np.testing.assert_array_equal(codec.encode(again, 1.0), tokens)


def test_a_grid_has_a_vocabulary_hash_of_its_own() -> None:
  hashes = {codec_lib.of("frames", n).vocabulary_hash for n in (0, 1, 2, 3, 4)}
  assert len(hashes) == 4
  assert codec_lib.of("frames", 3).vocab_size == CODEC.vocab_size
  assert codec_lib.of("frames", 3) is codec_lib.of("frames", 3)


def test_off_the_grid_goes_to_the_nearest_step() -> None:
  piece = make_piece([(0.4, 1.2, 60), (1.6, 1.7, 62), (3.7, 4.4, 64)])
  again = CODEC.decode(CODEC.encode(piece, 1.0)).notes
  # A note of a tenth still lasts a step.
  assert (again["start_tick"] / TICKS).tolist() == [0, 2, 4]
  assert (again["duration_ticks"] / TICKS).tolist() == [1, 1, 1]


@pytest.mark.parametrize(("start", "left"), [(7, 7), (8, 0), (19, 3)])
def test_silent_bars_before_the_music_are_left_out(
  start: int, left: int
) -> None:
  tokens = CODEC.encode(make_piece([(start, start + 1, 60)]), 1.0)
  assert tokens.tolist() == [STEP] * left + [struck(60), STEP]


def test_parts_are_merged_and_drums_left_out() -> None:
  parts = [
    make_piece([(0, 2, 60), (3, 4, 20)], track=0).notes,
    make_piece([(0, 1, 60), (1, 2, 64)], track=1, program=25).notes,
    make_piece([(0, 1, 36)], track=2, is_drum=True).notes,
  ]
  piece = notes.Piece(480, notes.sort(np.concatenate(parts)))
  expected = [struck(60), STEP, held(60), struck(64), STEP]
  assert CODEC.encode(piece, 1.0).tolist() == expected


@pytest.mark.parametrize(
  ("pitch", "is_drum"), [(60, True), (20, False), (109, False)]
)
def test_nothing_to_say(pitch: int, is_drum: bool) -> None:
  piece = make_piece([(0, 4, pitch)], is_drum=is_drum)
  with pytest.raises(codec_lib.Unencodable, match=r"no pitched.*21\.\.108"):
    CODEC.encode(piece, 1.0)


def test_the_cap_on_frames() -> None:
  exactly = one(0, frames.MAX_FRAMES * TICKS)
  assert (CODEC.encode(exactly, 1.0) == STEP).sum() == frames.MAX_FRAMES
  with pytest.raises(codec_lib.Unencodable, match="longer than 100,000 frames"):
    CODEC.encode(one(0, (frames.MAX_FRAMES + 1) * TICKS), 1.0)


@pytest.mark.parametrize(
  "rows", [[(0, 2**31 - 1)], [(0, 240), (2**31 - 1, 2**31 - 1)]]
)
def test_a_hostile_length_is_refused_before_memory_is_taken(
  rows: list[tuple[int, int]],
) -> None:
  starts, durations = np.array(rows).T
  table = notes.make_notes(starts, durations, np.full(len(rows), 60))
  tracemalloc.start()
  with pytest.raises(codec_lib.Unencodable, match="longer than"):
    codec_lib.of("frames", 24).encode(notes.Piece(1, table), 1.0)
  _, peak = tracemalloc.get_traced_memory()
  tracemalloc.stop()
  assert peak < 1_000_000


def test_a_late_note_alone_begins_its_piece() -> None:
  assert CODEC.encode(one(2**31 - 8, 7), 1.0).tolist()[-2:] == [
    struck(60),
    STEP,
  ]


def test_no_stretch() -> None:
  with pytest.raises(ValueError, match="stretch"):
    CODEC.encode(make_piece([(0, 4, 60)]), 1.05)


def test_sounding_keys_agree_with_pretty_midi(
  shared_data: pathlib.Path, tmp_path: pathlib.Path
) -> None:
  files = sorted((shared_data / "folk" / "nottingham").rglob("*.mid"))[::100]
  assert len(files) > 5
  for path in files:
    piece = midi.read_midi(path.read_bytes()).piece
    roll = frames.roll_of(piece, 2)
    copy = tmp_path / "copy.mid"
    midi.write_midi(frames.piece_of(roll, 2), copy)
    # Eight samples a frame, of which those in its middle are read.
    other = pretty_midi.PrettyMIDI(str(copy)).get_piano_roll(fs=32)
    other = other[21:109, 4::8].T > 0
    np.testing.assert_array_equal(other[: len(roll)], roll > frames_lib.SILENT)
