"""Rolls: token form, benchmark files, data sets, duplicates."""

import pathlib
import zipfile

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as st_numpy

from musegen_jax.data import frames, shards
from musegen_jax.data.codecs import codec as codec_lib
from musegen_jax.errors import UserError

CODEC = codec_lib.load("frames")
SPLITS = ("train", "valid", "test")
# Of shared/data/README.md: pieces and frames of each split.
KNOWN = {
  "JSB_Chorales": [(229, 13807), (76, 4602), (77, 4725)],
  "Nottingham": [(694, 176561), (173, 45513), (170, 44463)],
  "MuseData": [(524, 245202), (135, 82755), (124, 64339)],
  "Piano_midi": [(87, 75911), (12, 8540), (25, 19036)],
}
EQUAL = {
  "Nottingham": [
    ("train 91", "train 112"),
    ("train 201", "valid 3"),
    ("train 267", "test 99"),
  ],
  "MuseData": [("train 126", "train 160")],
}
# Nats a frame of the test split, keys alone, half a note added to each count.
UNIGRAM = {
  "JSB_Chorales": 11.060,
  "Nottingham": 10.252,
  "MuseData": 11.510,
  "Piano_midi": 11.046,
}


def small() -> dict[str, np.ndarray]:
  """A file of three splits of two pieces, three and two frames long."""
  arrays = {"pitch_of_column_0": np.array(21)}
  for number, split in enumerate(SPLITS):
    roll = np.zeros((5, 88), np.uint8)
    roll[:, 39] = [1, 1, 0, 1, 1]
    roll[1:4, 43 + number] = 1
    arrays[f"{split}_packed"] = np.packbits(roll, axis=1)
    arrays[f"{split}_lengths"] = np.array([3, 2], np.int32)
  return arrays


def write(path: pathlib.Path, **changes: np.ndarray | None) -> pathlib.Path:
  """Writes `small` with other arrays, None for none."""
  arrays = {name: a for name, a in (small() | changes).items() if a is not None}
  np.savez(path, **arrays)
  return path


@given(
  st_numpy.arrays(
    np.uint8,
    st.tuples(st.integers(0, 12), st.just(88)),
    elements=st.integers(0, 2),
    fill=st.just(0),
  )
)
def test_tokens_say_any_roll(roll: np.ndarray) -> None:
  tokens = frames.to_tokens(roll, CODEC)
  assert tokens.dtype == np.int16
  assert len(tokens) == (roll > 0).sum() + len(roll)
  again = frames.from_tokens(CODEC.framed(tokens), CODEC)
  assert again.dtype == np.uint8
  np.testing.assert_array_equal(again, roll)


def test_an_unfinished_frame_counts_and_struck_wins() -> None:
  struck, held = CODEC.offsets["struck"], CODEC.offsets["held"]
  step = CODEC.offsets["step"]
  tokens = [struck + 5, held + 5, step, held + 5, struck + 5, held + 87]
  roll = frames.from_tokens(np.array(tokens, np.int16), CODEC)
  assert roll.shape == (2, 88)
  assert roll[:, 5].tolist() == [1, 1] and roll[1, 87] == 2
  assert (roll > 0).sum() == 3
  assert frames.from_tokens(np.zeros(0, np.int16), CODEC).shape == (0, 88)


def test_held_is_what_sounded_before_in_the_piece(
  tmp_path: pathlib.Path,
) -> None:
  rolls = frames.read_npz(write(tmp_path / "a.npz"))["valid"]
  assert rolls.frames.dtype == np.uint8 and rolls.lengths.dtype == np.int64
  # The second piece begins in the fourth frame: nothing is held there.
  assert rolls.frames[:, 39].tolist() == [1, 2, 0, 1, 2]
  assert rolls.frames[:, 44].tolist() == [0, 1, 2, 1, 0]
  assert (rolls.frames > 0).sum() == 7
  assert rolls.names == ("valid 0", "valid 1") and len(rolls) == 2
  assert rolls.offsets.tolist() == [0, 3, 5]
  np.testing.assert_array_equal(rolls.piece(1), rolls.frames[3:])


def test_column_0_may_be_another_pitch(tmp_path: pathlib.Path) -> None:
  path = write(tmp_path / "a.npz", pitch_of_column_0=np.array(12))
  rolls = frames.read_npz(path)["train"]
  assert rolls.frames.any(axis=0).nonzero()[0].tolist() == [30, 34]


PACKED = small()["test_packed"]


@pytest.mark.parametrize(
  ("changes", "says"),
  [
    ({"test_packed": None}, "has no test_packed"),
    ({"valid_lengths": None}, "has no valid_lengths"),
    ({"pitch_of_column_0": None}, "has no pitch_of_column_0"),
    ({"test_packed": PACKED.astype(np.int32)}, "test_packed is int32"),
    ({"test_packed": PACKED[:, :10]}, r"shape \(5, 10\), not uint8 of"),
    ({"test_packed": PACKED.ravel()}, r"shape \(55,\)"),
    ({"test_lengths": np.array([3.0, 2.0])}, "test_lengths is float64"),
    ({"test_lengths": np.array([[3], [2]])}, r"shape \(2, 1\)"),
    ({"test_lengths": np.array(5)}, r"shape \(\)"),
    ({"train_lengths": np.array([3, 3])}, "the 5 frames of train.* sum 6"),
    ({"train_lengths": np.array([3, 1])}, "the 5 frames of train.* sum 4"),
    ({"train_lengths": np.array([5, 0])}, "train_lengths .* least is 0"),
    ({"train_lengths": np.array([7, -2])}, "least is -2"),
    (
      {"test_lengths": np.array([2**62, 2**62, 2**62, 2**62, 5])},
      "add up to the 5",
    ),
    (
      {"valid_lengths": np.zeros(0, int), "valid_packed": PACKED[:0]},
      "split 'valid' has no piece",
    ),
    ({"pitch_of_column_0": np.array(-40)}, r"train has pitches -1\.\.3"),
    ({"pitch_of_column_0": np.array(66)}, r"105\.\.109 .*outside 21\.\.108"),
    ({"pitch_of_column_0": np.array(21.0)}, "float64 of shape"),
    ({"pitch_of_column_0": np.array([21])}, r"shape \(1,\), not one integer"),
    ({"test_packed": np.array([None, {}])}, "test_packed is damaged or holds"),
  ],
)
def test_mistakes_are_one_line(
  changes: dict[str, np.ndarray | None], says: str, tmp_path: pathlib.Path
) -> None:
  path = write(tmp_path / "bad.npz", **changes)
  with pytest.raises(UserError, match=says) as caught:
    frames.read_npz(path)
  assert str(path) in str(caught.value) and "\n" not in str(caught.value)


def test_files_that_are_none(tmp_path: pathlib.Path) -> None:
  with pytest.raises(UserError, match=r"gone.npz does not exist"):
    frames.read_npz(tmp_path / "gone.npz")
  path = tmp_path / "a.npz"
  whole = write(path).read_bytes()
  for content in (b"", b"text", whole[: len(whole) // 2], whole[:4]):
    path.write_bytes(content)
    with pytest.raises(UserError, match="a.npz is no .npz file, or damaged"):
      frames.read_npz(path)
  np.save(tmp_path / "one.npy", np.zeros(3))
  with pytest.raises(UserError, match="one.npy is no .npz"):
    frames.read_npz(tmp_path / "one.npy")
  np.save(path.with_suffix(".npy"), np.array([{}]), allow_pickle=True)
  with pytest.raises(UserError, match="a.npy is no .npz"):
    frames.read_npz(path.with_suffix(".npy"))


def test_a_damaged_array_is_named(tmp_path: pathlib.Path) -> None:
  path = write(tmp_path / "a.npz")
  with zipfile.ZipFile(path) as archive:
    members = {name: archive.read(name) for name in archive.namelist()}
  members["valid_packed.npy"] = members["valid_packed.npy"][:-3]
  with zipfile.ZipFile(path, "w") as archive:
    for name, content in members.items():
      archive.writestr(name, content)
  with pytest.raises(UserError, match="valid_packed is damaged"):
    frames.read_npz(path)


def test_duplicates_sound_the_same(tmp_path: pathlib.Path) -> None:
  arrays = small()
  for split in SPLITS:
    arrays[f"{split}_packed"] = arrays["train_packed"]
  arrays["valid_lengths"] = np.array([2, 3])
  rolls = frames.read_npz(write(tmp_path / "a.npz", **arrays))
  pairs = [("train 0", "test 0"), ("train 1", "test 1")]
  assert frames.duplicates(rolls) == pairs
  # Held or struck is not heard; a frame more is.
  rolls["test"].frames[rolls["test"].frames == 2] = 1
  assert frames.duplicates(rolls) == pairs
  rolls["test"].frames[4, 0] = 1
  assert frames.duplicates(rolls) == pairs[:1]


def test_a_data_set_as_rolls(tiny_dataset: pathlib.Path) -> None:
  dataset = shards.open_dataset(tiny_dataset)
  rolls = frames.from_dataset(dataset, CODEC, "valid")
  rows = dataset.split("valid")
  assert rolls.names == tuple(row["path"] for row in rows)
  assert not rolls.skipped
  for number, row in enumerate(rows):
    # Tunes of 24 eighths over a bass of six half notes.
    roll = rolls.piece(number)
    assert roll.shape == (24, 88)
    assert (roll == 1).sum() == row["notes"] == 24 + 6
    assert (roll > 0).sum(axis=1).tolist() == [2] * 24


def test_a_split_without_pieces_says_why(tiny_dataset: pathlib.Path) -> None:
  dataset = shards.open_dataset(tiny_dataset)
  for row in dataset.rows:
    row["split"] = "train"
  with pytest.raises(UserError, match="split 'valid' .*the split is empty"):
    frames.from_dataset(dataset, CODEC, "valid")


@pytest.mark.parametrize("name", KNOWN)
def test_published_files(shared_data: pathlib.Path, name: str) -> None:
  splits = frames.read_npz(shared_data / "benchmark" / f"{name}.npz")
  assert tuple(splits) == SPLITS
  sizes = [(len(rolls), len(rolls.frames)) for rolls in splits.values()]
  assert sizes == KNOWN[name]
  assert frames.duplicates(splits) == EQUAL.get(name, [])
  heard = splits["train"].frames > 0
  share = (heard.sum(axis=0) + 0.5) / (len(heard) + 1)
  on = splits["test"].frames > 0
  nats = -np.where(on, np.log(share), np.log1p(-share)).sum() / len(on)
  assert nats == pytest.approx(UNIGRAM[name], abs=1e-3)
