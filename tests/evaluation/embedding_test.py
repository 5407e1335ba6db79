"""Embeddings of a folder: a row a window, labels, and what was left out."""

import json
import pathlib
import shutil

import jax.numpy as jnp
import numpy as np
import pytest

from musegen_jax import config as config_lib
from musegen_jax.data import midi, shard_writer, windows
from musegen_jax.data.codecs import codec as codec_lib
from musegen_jax.errors import UserError
from musegen_jax.evaluation import embedding, embedding_files, latent_space
from musegen_jax.models import language_model, vae
from musegen_jax.training.checkpoints import Checkpoint
from tests import untrained
from tests.data.pieces import make_piece, part, scale

HEADER = {"checkpoint": "runs/x/checkpoints/5", "step": 5}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
  """Two tunes with labels, a short one, drums, and a file that is no MIDI."""
  path = tmp_path_factory.mktemp("midi")
  drums = part(scale(0, 64))
  drums["is_drum"] = True
  pieces = {
    "a": make_piece(part(scale(0, 128))),
    "b": make_piece(part(scale(0, 72)), meters=[(0, 3, 4)]),
    "drums": make_piece(drums),
    "short": make_piece(part(scale(0, 12))),
  }
  for name, piece in pieces.items():
    midi.write_midi(piece, path / f"{name}.mid")
  (path / "broken.mid").write_bytes(b"no midi")
  (path / "labels.csv").write_text(
    "path,genre,composer,title\na.mid,reel,Anon,Song\nb.mid,waltz,,\n"
  )
  return path


def embed(
  loaded: Checkpoint,
  folder: pathlib.Path,
  output: pathlib.Path,
  *,
  labels: pathlib.Path | None = None,
  overwrite: bool = False,
  step: int = 5,
) -> tuple[dict, list[dict], np.ndarray]:
  index = embedding.embed(
    loaded.params,
    HEADER | {"step": step},
    loaded.meta,
    midi_dir=folder,
    labels=labels,
    folder=output,
    overwrite=overwrite,
  )
  assert json.loads((output / embedding_files.INDEX).read_text()) == index
  assert sorted(path.name for path in output.iterdir()) == [
    embedding_files.EMBEDDINGS,
    embedding_files.INDEX,
    embedding_files.ROWS,
  ]
  lines = (output / embedding_files.ROWS).read_text().splitlines()
  vectors = np.load(output / embedding_files.EMBEDDINGS, mmap_mode="r")
  assert isinstance(vectors, np.memmap) and vectors.dtype == np.float32
  assert index["shape"] == list(vectors.shape) and len(lines) == len(vectors)
  return index, [json.loads(line) for line in lines], vectors


@pytest.fixture(scope="module")
def trained(tiny_dataset: pathlib.Path) -> Checkpoint:
  return untrained.checkpoint(tiny_dataset, pathlib.Path("run"))


def windows_of(path: pathlib.Path) -> np.ndarray:
  piece = midi.read_midi(path.read_bytes()).piece
  cut = windows.cut(piece, codec_lib.load("melody"), untrained.LENGTH)
  return np.stack([window.tokens for window in cut.windows])


def test_a_row_a_window_is_the_posterior_mean(
  trained: Checkpoint,
  folder: pathlib.Path,
  tmp_path: pathlib.Path,
  monkeypatch: pytest.MonkeyPatch,
) -> None:
  index, rows, vectors = embed(trained, folder, tmp_path)
  codec = codec_lib.load("melody")
  config = config_lib.from_dict(trained.meta["config"])
  model = vae.from_config(config, codec)
  tokens = [windows_of(folder / name) for name in ("a.mid", "b.mid")]
  assert [len(each) for each in tokens] == [7, 5] and len(rows) == 12
  expected = latent_space.encode(trained.params, model, np.concatenate(tokens))
  np.testing.assert_array_equal(vectors, expected.mean)
  assert [row["bar"] for row in rows] == [*range(7), *range(5)]
  assert rows[0] == {
    "path": "a.mid",
    "genre": "reel",
    "composer": "Anon",
    "title": "Song",
    "bar": 0,
    "track": 0,
  }
  assert (rows[7]["path"], rows[7]["genre"]) == ("b.mid", "waltz")
  assert index["row"] == "posterior mean of a window of 32 steps"
  # More windows than go through the network at once.
  monkeypatch.setattr(embedding, "WINDOWS", 5)
  _, again, parts = embed(trained, folder, tmp_path / "again")
  np.testing.assert_allclose(parts, vectors, rtol=1e-4, atol=1e-5)
  assert again == rows


def test_files_left_out_say_why(
  trained: Checkpoint, folder: pathlib.Path, tmp_path: pathlib.Path
) -> None:
  index, _, _ = embed(trained, folder, tmp_path)
  assert index["files"] == 5
  out = {each["path"]: each for each in index["files_left_out"]}
  assert sorted(out) == ["broken.mid", "drums.mid", "short.mid"]
  assert out["broken.mid"]["reason"] == "not_midi"
  assert out["drums.mid"]["reason"] == "no_window"
  assert out["drums.mid"]["detail"] == "track 0 (program 0): drums"
  assert out["short.mid"]["detail"].endswith("shorter than a window")
  assert index["left_out"]["part: drums"] == 1
  lines = embedding.summary(index, tmp_path)
  assert lines[0].startswith(
    "wrote 12 embeddings of 3 dimensions, from 2 files"
  )
  assert "3 files (no_window: 2, not_midi: 1)" in lines[1]


def test_same_bytes_again_and_no_silent_overwriting(
  trained: Checkpoint, folder: pathlib.Path, tmp_path: pathlib.Path
) -> None:
  embed(trained, folder, tmp_path)
  first = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
  embed(trained, folder, tmp_path)
  assert first == {path.name: path.read_bytes() for path in tmp_path.iterdir()}
  with pytest.raises(UserError, match="other embeddings; add --overwrite"):
    embed(trained, folder, tmp_path, step=6)
  (tmp_path / embedding_files.INDEX).write_text("[]")
  with pytest.raises(UserError, match="other embeddings; add --overwrite"):
    embed(trained, folder, tmp_path)
  (tmp_path / embedding_files.INDEX).unlink()
  with pytest.raises(UserError, match="unfinished"):
    embed(trained, folder, tmp_path)
  index, _, _ = embed(trained, folder, tmp_path, step=6, overwrite=True)
  assert index["step"] == 6


def test_nothing_stays_of_a_run_that_fails(
  trained: Checkpoint,
  folder: pathlib.Path,
  tmp_path: pathlib.Path,
  monkeypatch: pytest.MonkeyPatch,
) -> None:
  embed(trained, folder, tmp_path / "out")
  files = {p.name: p.read_bytes() for p in (tmp_path / "out").iterdir()}

  def full(self: object, array: np.ndarray) -> None:
    raise OSError("No space left on device")

  monkeypatch.setattr(shard_writer.ArrayFile, "append", full)
  with pytest.raises(OSError, match="No space"):
    embed(trained, folder, tmp_path / "out", overwrite=True)
  left = {p.name: p.read_bytes() for p in (tmp_path / "out").iterdir()}
  assert left == files


def test_folders_without_a_window(
  trained: Checkpoint, folder: pathlib.Path, tmp_path: pathlib.Path
) -> None:
  (tmp_path / "midi").mkdir()
  shutil.copy(folder / "drums.mid", tmp_path / "midi")
  with pytest.raises(UserError, match=r"drums.mid: no_window \(track 0.*drums"):
    embed(trained, tmp_path / "midi", tmp_path / "out")
  assert not list((tmp_path / "out").iterdir())


def test_another_vocabulary_is_refused(
  trained: Checkpoint, folder: pathlib.Path, tmp_path: pathlib.Path
) -> None:
  meta = trained.meta | {"vocabulary_hash": "other"}
  changed = Checkpoint(trained.params, meta, 5, trained.path)
  with pytest.raises(UserError, match="'melody' has changed"):
    embed(changed, folder, tmp_path)


def mean_outputs(loaded: Checkpoint, inputs: np.ndarray) -> np.ndarray:
  """Last layer's outputs [N, H] of one row of inputs [N], by the model."""
  config = config_lib.from_dict(loaded.meta["config"])
  codec = codec_lib.load(config.data.codec)
  model = language_model.from_config(config.model, codec)
  tokens = jnp.asarray(inputs, jnp.int32)[None]
  carry = model.zero_carry(1)
  _, _, activations = model.apply({"params": loaded.params}, tokens, carry)
  return np.asarray(activations["lstm/output"][0])


def test_lstm_of_windows(
  tiny_dataset: pathlib.Path, folder: pathlib.Path, tmp_path: pathlib.Path
) -> None:
  loaded = untrained.checkpoint(tiny_dataset, tmp_path, kind="lstm")
  index, rows, vectors = embed(loaded, folder, tmp_path / "out")
  assert len(rows) == 12 and index["row"].startswith("output of the last LSTM")
  codec = codec_lib.load("melody")
  # Bars of 3/4: the slots beyond their ends do not count.
  window = windows_of(folder / "b.mid")[2]
  outputs = mean_outputs(loaded, np.append(codec.begin, window[:-1]))
  expected = outputs[window != codec.pad].mean(0)
  np.testing.assert_allclose(vectors[9], expected, atol=1e-5)


def test_lstm_of_whole_pieces_carries_its_state(
  tiny_dataset: pathlib.Path,
  folder: pathlib.Path,
  tmp_path: pathlib.Path,
  monkeypatch: pytest.MonkeyPatch,
) -> None:
  monkeypatch.setattr(embedding, "PIECES", 2)
  loaded = untrained.checkpoint(
    tiny_dataset, tmp_path, "performance", "lstm", "piece"
  )
  index, rows, vectors = embed(loaded, folder, tmp_path / "out")
  codec = codec_lib.load("performance")
  start = 0
  for name in ("a.mid", "b.mid", "short.mid"):
    piece = midi.read_midi((folder / name).read_bytes()).piece
    inputs = codec.framed(codec.encode(piece))[:-1]
    outputs = mean_outputs(loaded, inputs)
    parts = np.split(outputs, range(32, len(outputs), 32))
    own = slice(start, start + len(parts))
    assert [row["path"] for row in rows[own]] == [name] * len(parts)
    assert [row["bar"] for row in rows[own]] == list(range(len(parts)))
    expected = [part.mean(0) for part in parts]
    np.testing.assert_allclose(vectors[own], expected, atol=1e-5)
    start += len(parts)
  assert start == len(rows)
  out = {each["path"]: each["detail"] for each in index["files_left_out"]}
  assert out["drums.mid"] == "no pitched notes, only drums"


def test_stretches_are_heard_at_their_places(
  tiny_dataset: pathlib.Path, tmp_path: pathlib.Path
) -> None:
  loaded = untrained.checkpoint(
    tiny_dataset, tmp_path, "voices", "lstm", "piece"
  )
  # No multiple of a beat's 16 tokens.
  loaded.meta["config"]["train"]["window"] = 24
  lines = [part(scale(0, 20), track=track) for track in range(4)]
  for line in lines:
    line["pitch"] += 5 * line["track"].astype(np.uint8)
  (tmp_path / "midi").mkdir()
  piece = make_piece(*lines)
  midi.write_midi(piece, tmp_path / "midi" / "a.mid")
  _, rows, vectors = embed(loaded, tmp_path / "midi", tmp_path / "out")
  codec = codec_lib.load("voices")
  outputs = mean_outputs(loaded, codec.framed(codec.encode(piece))[:-1])
  parts = np.split(outputs, range(24, len(outputs), 24))
  expected = [each.mean(0) for each in parts]
  assert len(rows) == len(parts) == 4
  np.testing.assert_allclose(vectors, expected, atol=1e-5)
