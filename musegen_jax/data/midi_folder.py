"""The MIDI files below a folder, and their labels."""

import csv
import os
import pathlib
import posixpath
import stat
from collections.abc import Iterator

from musegen_jax.data import midi, notes
from musegen_jax.errors import UserError

SUFFIXES = (".mid", ".midi", ".kar", ".rmi")
LABELS = ("genre", "composer", "title")


def find(midi_dir: pathlib.Path) -> Iterator[str]:
  """Paths of MIDI files, relative, without those in hidden folders.

  Links to folders are followed, each folder once: loops end.
  """
  seen = set()
  for folder, subfolders, files in os.walk(midi_dir, followlinks=True):
    status = os.stat(folder)
    if (status.st_dev, status.st_ino) in seen:
      subfolders.clear()
      continue
    seen.add((status.st_dev, status.st_ino))
    subfolders[:] = sorted(s for s in subfolders if not s.startswith("."))
    for name in sorted(files):
      if name.lower().endswith(SUFFIXES):
        path = pathlib.Path(folder, name)
        yield path.relative_to(midi_dir).as_posix()


def read_file(path: pathlib.Path, max_bytes: int) -> bytes:
  """The first `max_bytes` + 1 bytes: enough to see that there are too many.

  Raises OSError, also for what is no regular file (a pipe would block).
  """
  descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0))
  with open(descriptor, "rb") as file:
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
      raise OSError("not a regular file")
    return file.read(max_bytes + 1)


def read_piece(path: pathlib.Path) -> notes.Piece:
  """The piece in a MIDI file.

  Raises OSError as `read_file` does, and midi.MidiRejected.
  """
  data = read_file(path, midi.Limits().max_bytes)
  return midi.read_midi(data).piece


def read_labels(path: pathlib.Path) -> dict[str, tuple[str, ...]]:
  """Genre, composer and title of each path in a labels file.

  Args:
    path: csv with a header; `path` must be among the columns, those of LABELS
      may be. Raises UserError where it is none.
  """
  labels = {}
  try:
    with open(path, encoding="utf-8-sig", newline="") as file:
      reader = csv.DictReader(file, restval="")
      if "path" not in (reader.fieldnames or ()):
        raise UserError(
          f"{path} has no column 'path': its header must be"
          " path,genre,composer,title"
        )
      for row in reader:
        name = posixpath.normpath(row["path"].strip())
        labels[name] = tuple((row.get(key) or "").strip() for key in LABELS)
  except (csv.Error, UnicodeDecodeError) as error:
    raise UserError(
      f"{path} is not a csv file in UTF-8 ({error}): correct it or pass another"
      " with --labels"
    ) from error
  return labels


def labelled(
  midi_dir: pathlib.Path, labels_path: pathlib.Path | None
) -> list[tuple[str, tuple[str, ...]]]:
  """Relative path and labels of each MIDI file, in the order of `find`.

  Args:
    midi_dir: the folder; UserError where it is missing or holds no MIDI.
    labels_path: csv, see `read_labels`; without it labels.csv in the folder,
      where there is one. Warns of labels that name no file.
  """
  if not midi_dir.is_dir():
    raise UserError(f"--midi_dir={midi_dir} is no folder: give one with MIDI")
  default = midi_dir / "labels.csv"
  if labels_path is None and default.is_file():
    labels_path = default
  labels = read_labels(labels_path) if labels_path else {}
  paths = list(find(midi_dir))
  if not paths:
    raise UserError(
      f"no {', '.join(SUFFIXES)} file below --midi_dir={midi_dir}:"
      " give the folder that holds them"
    )
  unlabelled = ("",) * len(LABELS)
  found = [(path, labels.pop(path, unlabelled)) for path in paths]
  if labels:
    name = min(labels)
    print(f"warning: {len(labels)} labels name no file, the first is {name}")
  return found
