"""Embedding a folder as a user does."""

import json
import pathlib

import numpy as np

from tests.conftest import run_module


def test_embeds_a_folder_with_labels(
  trained_vae: pathlib.Path, tiny_dataset: pathlib.Path, tmp_path: pathlib.Path
) -> None:
  labels = tmp_path / "labels.csv"
  labels.write_text("path,genre\ntune03.mid,jig\n")
  arguments = [
    f"--checkpoint={trained_vae}",
    f"--midi_dir={tiny_dataset.parent / 'midi'}",
    f"--output={tmp_path / 'out'}",
    f"--labels={labels}",
  ]
  done = run_module("musegen_jax.embed", *arguments)
  assert done.stdout.startswith("wrote ") and "from 24 files" in done.stdout
  assert not done.stderr
  vectors = np.load(tmp_path / "out" / "embeddings.npy")
  lines = (tmp_path / "out" / "index.jsonl").read_text().splitlines()
  rows = [json.loads(line) for line in lines]
  assert vectors.shape == (len(rows), 3)
  assert {row["path"] for row in rows if row["genre"] == "jig"} == {
    "tune03.mid"
  }
  index = json.loads((tmp_path / "out" / "index.json").read_text())
  assert index["step"] == 4 and index["shape"] == [len(rows), 3]


def test_mistakes_are_one_line(
  trained_vae: pathlib.Path, tmp_path: pathlib.Path
) -> None:
  arguments = [f"--checkpoint={trained_vae}", f"--output={tmp_path / 'out'}"]
  done = run_module(
    "musegen_jax.embed", *arguments, "--midi_dir=gone", check=False
  )
  assert done.returncode == 1
  [line] = done.stderr.strip().splitlines()
  assert line == "error: --midi_dir=gone is no folder: give one with MIDI"
  assert not (tmp_path / "out").exists()
