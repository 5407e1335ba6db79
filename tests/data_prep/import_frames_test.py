"""A benchmark file becomes a data set, its splits as they were."""

import pathlib

import numpy as np
import pytest

from data_prep import build_shards, import_frames, show
from musegen_jax.data import frames, shards
from musegen_jax.data.codecs import codec as codec_lib
from musegen_jax.errors import UserError
from tests.conftest import make_tunes, run_module
from tests.data.frames_test import small, write
from tests.data_prep.building import contents


def build(npz: pathlib.Path, output: pathlib.Path, steps_per_beat: int) -> None:
  import_frames.build(npz, frames.read_npz(npz), output, steps_per_beat)


def assert_same(npz: pathlib.Path, output: pathlib.Path, steps: int) -> None:
  """The frames codec says the same rolls as the file, split by split."""
  dataset = shards.open_dataset(output, verify=True)
  codec = codec_lib.of("frames", steps)
  for split, rolls in frames.read_npz(npz).items():
    again = frames.from_dataset(dataset, codec, split)
    assert again.names == rolls.names
    np.testing.assert_array_equal(again.lengths, rolls.lengths)
    np.testing.assert_array_equal(again.frames, rolls.frames)


def music(seed: int, pieces: int = 4) -> dict[str, np.ndarray]:
  """Random rolls that neither begin nor end in silence."""
  rng = np.random.default_rng(seed)
  arrays = {}
  for split in shards.SPLITS:
    lengths = rng.integers(1, 40, pieces)
    roll = rng.random((lengths.sum(), 88)) < 0.2
    ends = np.cumsum(lengths)
    roll[ends - 1, 0] = roll[ends - lengths, 87] = True
    arrays[f"{split}_packed"] = np.packbits(roll, axis=1)
    arrays[f"{split}_lengths"] = lengths.astype(np.int32)
  return arrays


@pytest.mark.parametrize("steps_per_beat", [1, 2, 5])
def test_the_rolls_come_back(
  steps_per_beat: int, tmp_path: pathlib.Path
) -> None:
  npz = write(tmp_path / "toy.npz", **music(steps_per_beat))
  build(npz, tmp_path / "out", steps_per_beat)
  assert_same(npz, tmp_path / "out", steps_per_beat)


def test_successive_frames_of_a_key_are_one_note(
  tmp_path: pathlib.Path,
) -> None:
  npz = write(tmp_path / "toy.npz")
  build(npz, tmp_path / "out", 1)
  dataset = shards.open_dataset(tmp_path / "out")
  assert [row["split"] for row in dataset.rows] == ["train"] * 2 + [
    "valid"
  ] * 2 + ["test"] * 2
  piece = dataset.load(dataset.rows[0])
  beats = [
    piece.notes[key] / piece.ticks_per_beat
    for key in ("start_tick", "duration_ticks")
  ]
  assert piece.notes["pitch"].tolist() == [60, 64]
  assert np.transpose(beats).tolist() == [[0, 2], [1, 2]]
  assert dataset.rows[0]["seconds"] == 1.5


def test_published_duplicates_stay_where_they_are(
  tmp_path: pathlib.Path,
) -> None:
  arrays = music(0)
  for split in shards.SPLITS[1:]:
    for kind in ("packed", "lengths"):
      arrays[f"{split}_{kind}"] = arrays[f"train_{kind}"]
  npz = write(tmp_path / "toy.npz", **arrays)
  done = run_module(
    "data_prep.import_frames",
    f"--npz={npz}",
    f"--output_dir={tmp_path / 'out'}",
    "--steps_per_beat=2",
  )
  assert_same(npz, tmp_path / "out", 2)
  lines = done.stdout.splitlines()
  frame_count = arrays["train_lengths"].sum()
  rolls = frames.read_npz(npz)["train"].frames
  for line, split in zip(lines, shards.SPLITS, strict=False):
    numbers = f"4 pieces {frame_count} frames {(rolls == 1).sum()} notes"
    words = line.replace(",", "").split()
    assert " ".join(words) == f"split {split} {numbers}"
  assert "equal     train 0 = valid 0" in lines
  assert "equal     train 3 = test 3" in lines
  assert len(lines) == 3 + 8 + 1
  dataset = shards.open_dataset(tmp_path / "out")
  assert "12 pieces" in show.describe(dataset)


def test_silence_that_is_lost_is_said(tmp_path: pathlib.Path) -> None:
  arrays = small()
  roll = np.zeros((12, 88), np.uint8)
  roll[9, 40] = 1
  arrays["valid_packed"] = np.packbits(roll, axis=1)
  arrays["valid_lengths"] = np.array([12])
  npz = write(tmp_path / "toy.npz", **arrays)
  splits = frames.read_npz(npz)
  build(npz, tmp_path / "out", 2)
  dataset = shards.open_dataset(tmp_path / "out")
  # A bar before its note, of which a frame stays, and two frames after.
  lines = import_frames.describe(splits, dataset, 2).splitlines()
  assert [line for line in lines if line.startswith("shorter")] == [
    "shorter   valid 0 by 10 silent frames"
  ]


def test_the_same_again_makes_the_same_bytes(tmp_path: pathlib.Path) -> None:
  npz = write(tmp_path / "toy.npz", **music(1))
  build(npz, tmp_path / "out", 2)
  before = contents(tmp_path / "out")
  build(npz, tmp_path / "out", 2)
  assert contents(tmp_path / "out") == before
  fingerprint = shards.open_dataset(tmp_path / "out").index["fingerprint"]
  build(npz, tmp_path / "other", 1)
  other = shards.open_dataset(tmp_path / "other").index["fingerprint"]
  assert fingerprint != other


def test_other_data_is_not_overwritten(tmp_path: pathlib.Path) -> None:
  npz = write(tmp_path / "toy.npz", **music(1))
  build(npz, tmp_path / "out", 2)
  before = contents(tmp_path / "out")
  with pytest.raises(UserError, match="steps_per_beat 2, now 1"):
    build(npz, tmp_path / "out", 1)
  write(npz, **music(2))
  with pytest.raises(UserError, match="other settings .files or labels"):
    build(npz, tmp_path / "out", 2)
  make_tunes(tmp_path / "midi", 3)
  options = build_shards.Options(str(tmp_path / "midi"), str(tmp_path / "out"))
  with pytest.raises(UserError, match="holds a data set made from other"):
    build_shards.build(options)
  assert contents(tmp_path / "out") == before
  build_shards.build(
    build_shards.Options(str(tmp_path / "midi"), str(tmp_path / "built"))
  )
  with pytest.raises(UserError, match="holds a data set made from other"):
    build(npz, tmp_path / "built", 2)


def test_a_silent_piece_is_named(tmp_path: pathlib.Path) -> None:
  npz = write(tmp_path / "toy.npz", test_packed=np.zeros((5, 11), np.uint8))
  with pytest.raises(UserError, match="toy.npz: test 0 is silent"):
    build(npz, tmp_path / "out", 2)
  assert not (tmp_path / "out").exists()


def test_mistakes_are_one_line(tmp_path: pathlib.Path) -> None:
  flags = [f"--output_dir={tmp_path / 'out'}", "--steps_per_beat=1"]
  module = "data_prep.import_frames"
  done = run_module(module, "--npz=gone.npz", *flags, check=False)
  assert done.returncode == 1
  assert done.stderr == "error: gone.npz does not exist: check the path\n"
  done = run_module(module, *flags, check=False)
  assert done.returncode == 1 and "--npz" in done.stderr
  assert not (tmp_path / "out").exists()


def test_the_chorales_come_back(
  shared_data: pathlib.Path, tmp_path: pathlib.Path
) -> None:
  npz = shared_data / "benchmark" / "JSB_Chorales.npz"
  build(npz, tmp_path / "jsb", 1)
  assert_same(npz, tmp_path / "jsb", 1)
  index = shards.open_dataset(tmp_path / "jsb").index
  assert [index["splits"][name]["pieces"] for name in shards.SPLITS] == [
    229,
    76,
    77,
  ]
