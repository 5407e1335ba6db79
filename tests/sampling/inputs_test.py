"""Windows of MIDI files, and what is said of files that have none."""

import pathlib

import numpy as np
import pytest

from musegen_jax.data import midi, notes
from musegen_jax.data.codecs import codec as codec_lib
from musegen_jax.errors import UserError
from musegen_jax.sampling import inputs
from tests.data.pieces import make_piece, part, scale

MELODY = codec_lib.load("melody")


def write(piece: notes.Piece, folder: pathlib.Path) -> str:
  path = folder / "in.mid"
  midi.write_midi(piece, path)
  return str(path)


def test_windows_follow_each_other_and_are_of_the_best_line(
  tmp_path: pathlib.Path,
) -> None:
  bass = part([(at, at + 8, 30) for at in range(0, 96, 8)], track=1)
  path = write(make_piece(part(scale(0, 96)), bass), tmp_path)
  found = inputs.read_windows(path, MELODY, 32, None)
  assert (found.track, found.bars) == (0, [0, 2, 4])
  said = np.concatenate(found.tokens)
  whole = MELODY.encode(make_piece(part(scale(0, 96))), 1.0)
  np.testing.assert_array_equal(said[: len(whole)], whole)
  assert found.describe() == {"input": path, "track": 0, "bars": [0, 2, 4]}
  assert found.first().bars == [0] and len(found.first().tokens) == 1


def test_repeats_and_sparse_windows_stay(tmp_path: pathlib.Path) -> None:
  rows = [(at, at + 4, 60) for at in (0, 32, 96, 112)]
  path = write(make_piece(part(rows)), tmp_path)
  # The two bars from bar 4 on are silent.
  assert inputs.read_windows(path, MELODY, 32, None).bars == [0, 2, 6]


def test_one_window_from_any_bar(tmp_path: pathlib.Path) -> None:
  path = write(make_piece(part(scale(0, 96))), tmp_path)
  found = inputs.read_windows(path, MELODY, 32, 3)
  assert found.bars == [3]
  whole = MELODY.encode(make_piece(part(scale(0, 96))), 1.0)
  np.testing.assert_array_equal(found.tokens[0], whole[48:80])
  with pytest.raises(UserError, match="--bar=5.*last in bar 4"):
    inputs.read_windows(path, MELODY, 32, 5)


def test_codecs_without_bars_give_stretches(tmp_path: pathlib.Path) -> None:
  codec = codec_lib.load("performance")
  path = write(make_piece(part(scale(0, 96))), tmp_path)
  found = inputs.read_windows(path, codec, 20, None)
  assert found.bars == list(range(len(found.tokens))) and found.track == -1


def test_every_track_that_fails_says_why(tmp_path: pathlib.Path) -> None:
  drums = part(scale(0, 64), track=1)
  drums["is_drum"] = True
  slow = make_piece(part(scale(0, 64)), drums, meters=[(0, 5, 2)])
  path = write(slow, tmp_path)
  with pytest.raises(UserError) as caught:
    inputs.read_windows(path, MELODY, 96, None)
  said = str(caught.value)
  assert said.startswith(f"--input={path} has no window of 6 bars that codec")
  assert "track 0 (program 0): bars longer than 16 steps" in said
  assert "track 1 (program 0): drums" in said and "\n" not in said


@pytest.mark.parametrize(
  ("content", "says"),
  [
    (None, "does not exist"),
    (b"no midi", "cannot be read: not_midi"),
    ("folder", "cannot be read: .*irectory"),
  ],
)
def test_files_that_are_no_midi(
  tmp_path: pathlib.Path, content: object, says: str
) -> None:
  path = tmp_path / "in.mid"
  if content == "folder":
    path.mkdir()
  elif content:
    path.write_bytes(content)
  with pytest.raises(UserError, match=f"--input={path} {says}"):
    inputs.read_windows(str(path), MELODY, 32, None)
