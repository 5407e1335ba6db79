"""What goes into a build: the MIDI files below a folder, and their labels."""

import hashlib
import json
import os
import pathlib
from typing import NamedTuple

import tqdm

from musegen_jax.data import midi_folder


class Input(NamedTuple):
  """One file below the MIDI folder.

  Attributes:
    sha256: hex, of the content (its first `max_bytes` + 1); of the path where
      the file cannot be read.
    path: relative to the folder, with slashes.
    problem: why the file cannot be read, or empty.
    genre, composer, title: from the labels, or empty.
  """

  sha256: str
  path: str
  problem: str
  genre: str
  composer: str
  title: str


def collect(
  midi_dir: pathlib.Path, labels_path: pathlib.Path | None, max_bytes: int
) -> list[Input]:
  """Lists the files below a folder, ordered by (content hash, path).

  Args:
    midi_dir: the folder, see `midi_folder.labelled`.
    labels_path: csv with labels, or None.
    max_bytes: of a longer file only the beginning is hashed.
  """
  found = midi_folder.labelled(midi_dir, labels_path)
  inputs = []
  for path, label in tqdm.tqdm(found, "hash", unit=" files", delay=2):
    sha256, problem = _hash(midi_dir / path, path, max_bytes)
    inputs.append(Input(sha256, path, problem, *label))
  return sorted(inputs)


def list_sha256(inputs: list[Input]) -> str:
  """Hex sha256 of a list of inputs, labels included."""
  digest = hashlib.sha256()
  for item in inputs:
    digest.update(json.dumps(item).encode())
  return digest.hexdigest()


def _hash(file: pathlib.Path, path: str, max_bytes: int) -> tuple[str, str]:
  try:
    data = midi_folder.read_file(file, max_bytes)
    return hashlib.sha256(data).hexdigest(), ""
  except OSError as error:
    unread = b"unreadable:" + os.fsencode(path)
    return hashlib.sha256(unread).hexdigest(), error.strerror or str(error)
