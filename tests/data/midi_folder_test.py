"""Finding MIDI files below a folder, and their labels."""

import os
import pathlib

import pytest

from musegen_jax.data import midi_folder
from musegen_jax.errors import UserError


@pytest.fixture
def folder(tmp_path: pathlib.Path) -> pathlib.Path:
  for name in ("b.mid", "a.MIDI", "deep/c.kar", ".hidden/d.mid", "notes.txt"):
    (tmp_path / name).parent.mkdir(exist_ok=True)
    (tmp_path / name).write_bytes(name.encode())
  return tmp_path


def test_finds_midi_at_any_depth_and_ends_in_loops(
  folder: pathlib.Path,
) -> None:
  os.symlink(folder, folder / "deep" / "loop")
  assert list(midi_folder.find(folder)) == ["a.MIDI", "b.mid", "deep/c.kar"]


def test_labels_beside_the_files_and_given(
  folder: pathlib.Path, capsys: pytest.CaptureFixture
) -> None:
  (folder / "labels.csv").write_text("path,title\n./deep/c.kar, Song \n")
  assert midi_folder.labelled(folder, None) == [
    ("a.MIDI", ("", "", "")),
    ("b.mid", ("", "", "")),
    ("deep/c.kar", ("", "", "Song")),
  ]
  other = folder / "other.csv"
  other.write_text("path,genre,composer\nb.mid,jig,Bach\ngone.mid,reel,\n")
  found = dict(midi_folder.labelled(folder, other))
  assert found["b.mid"] == ("jig", "Bach", "")
  assert found["deep/c.kar"] == ("", "", "")
  said = capsys.readouterr().out
  assert said == "warning: 1 labels name no file, the first is gone.mid\n"


@pytest.mark.parametrize(
  ("name", "content", "says"),
  [
    ("labels.csv", b"file,genre\n", "no column 'path'"),
    ("labels.csv", b"path\n\xff\xfe\n", "not a csv file in UTF-8"),
  ],
)
def test_labels_that_are_none(
  folder: pathlib.Path, name: str, content: bytes, says: str
) -> None:
  (folder / name).write_bytes(content)
  with pytest.raises(UserError, match=says):
    midi_folder.labelled(folder, None)


def test_folders_without_midi(folder: pathlib.Path) -> None:
  (folder / "empty").mkdir()
  with pytest.raises(UserError, match="no .mid, .midi, .kar, .rmi file below"):
    midi_folder.labelled(folder / "empty", None)
  with pytest.raises(UserError, match="gone is no folder"):
    midi_folder.labelled(folder / "gone", None)


def test_reads_one_byte_more_than_asked_and_no_pipes(
  folder: pathlib.Path,
) -> None:
  assert midi_folder.read_file(folder / "deep" / "c.kar", 4) == b"deep/"
  os.mkfifo(folder / "pipe.mid")
  with pytest.raises(OSError, match="not a regular file"):
    midi_folder.read_file(folder / "pipe.mid", 4)
