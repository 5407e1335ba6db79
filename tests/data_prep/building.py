"""What the tests of building share: tunes, a build, what came of it."""

import csv
import pathlib
from typing import Any

import numpy as np

from data_prep import build_shards, report
from musegen_jax.data import midi, shards
from musegen_jax.data import notes as notes_lib


def tune(seed: int, transpose: int = 0, tempo: int = 500_000) -> bytes:
  rng = np.random.default_rng(seed)
  starts = np.cumsum(rng.choice([120, 240, 480], 60))
  pitches = rng.integers(50, 70, 60) + transpose
  notes = notes_lib.make_notes(starts, np.full(60, 120), pitches)
  tempos = np.array([(0, tempo)], notes_lib.TEMPO)
  return midi.to_bytes(notes_lib.Piece(480, notes, tempos))


def build(folder: pathlib.Path, output: pathlib.Path, **options: Any) -> None:
  options = {"num_shards": 4} | options
  build_shards.build(build_shards.Options(str(folder), str(output), **options))


def contents(folder: pathlib.Path) -> dict[str, bytes]:
  return {
    path.relative_to(folder).as_posix(): path.read_bytes()
    for path in folder.rglob("*")
    if path.is_file()
  }


def outcomes(output: pathlib.Path) -> dict[str, dict[str, str]]:
  with open(output / report.REPORT, newline="", encoding="utf-8") as file:
    return {row["path"]: row for row in csv.DictReader(file)}


def splits_of(output: pathlib.Path) -> dict[str, str]:
  rows = shards.open_dataset(output).rows
  return {row["path"]: row["split"] for row in rows}
