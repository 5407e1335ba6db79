import pathlib

import pytest

from tests.data_prep.building import tune


@pytest.fixture
def folder(tmp_path: pathlib.Path) -> pathlib.Path:
  """Twelve tunes, one of them twice and once transposed, and litter."""
  path = tmp_path / "midi"
  (path / "deep").mkdir(parents=True)
  for seed in range(12):
    (path / f"tune{seed:02d}.mid").write_bytes(tune(seed))
  (path / "deep" / "copy.MIDI").write_bytes(tune(3))
  (path / "deep" / "higher.kar").write_bytes(tune(5, 4, 350_000))
  (path / "empty.mid").write_bytes(b"")
  (path / "page.rmi").write_text("<html>")
  (path / "notes.txt").write_text("not among the inputs")
  return path
