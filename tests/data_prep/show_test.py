import pathlib

import numpy as np
import pytest

from data_prep import build_shards, show
from musegen_jax.data import midi, shards
from musegen_jax.data import notes as notes_lib


@pytest.fixture
def dataset(tmp_path: pathlib.Path) -> shards.Dataset:
  folder = tmp_path / "midi"
  folder.mkdir()
  for seed in range(6):
    pitches = np.random.default_rng(seed).integers(40, 80, 50)
    ticks = np.arange(50) * 240
    notes = notes_lib.make_notes(ticks, np.full(50, 240), pitches)
    data = midi.to_bytes(notes_lib.Piece(480, notes))
    (folder / f"{seed}.mid").write_bytes(data)
  (folder / "bad.mid").write_bytes(b"no")
  (folder / "labels.csv").write_text("path,genre\n0.mid,jig\n1.mid,jig\n")
  output = str(tmp_path / "data")
  build_shards.build(build_shards.Options(str(folder), output, num_shards=2))
  return shards.open_dataset(output)


def test_the_tables_add_up(dataset: shards.Dataset) -> None:
  text = show.describe(dataset)
  rows = {
    line.split()[0]: line.split()[1:] for line in text.splitlines() if line
  }
  assert "6 pieces, 300 notes" in text
  assert rows["jig"][:2] == ["2", "100"]
  assert rows["(none)"][:2] == ["4", "200"]
  assert rows["not_midi"] == ["1"]
  assert sum(int(rows[name][0]) for name in shards.SPLITS) == 6


def test_the_pictures_are_drawn(
  dataset: shards.Dataset, tmp_path: pathlib.Path
) -> None:
  folder = tmp_path / "pictures"
  folder.mkdir()
  paths = show.draw(dataset, folder)
  assert set(paths) == set(folder.iterdir())
  names = [path.name for path in paths]
  assert names[:3] == ["pitch.png", "velocity.png", "duration.png"]
  assert len(names) == 3 + show.PIANO_ROLLS
  assert all(path.read_bytes().startswith(b"\x89PNG") for path in paths)
