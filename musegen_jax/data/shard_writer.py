"""Writes shards: whole and on the disk under their name, or not at all."""

import contextlib
import json
import os
import pathlib
import shutil
import uuid
from collections.abc import Iterator
from typing import Any, BinaryIO

import numpy as np

from musegen_jax import atomic
from musegen_jax.data import notes as notes_lib
from musegen_jax.data.shards import ARRAYS, RECORD, ROWS, TABLE, file_sha256


def dump_json(value: dict[str, Any]) -> bytes:
  """JSON that is the same for equal values."""
  return (json.dumps(value, indent=2, sort_keys=True) + "\n").encode()


@contextlib.contextmanager
def replacing(path: pathlib.Path) -> Iterator[BinaryIO]:
  """A binary file that takes the place of `path` when the block succeeds."""
  partial = path.with_name(f"{path.name}.tmp-{uuid.uuid4().hex}")
  try:
    with open(partial, "wb") as file:
      yield file
      file.flush()
      os.fsync(file.fileno())
    os.replace(partial, path)
    sync_folder(path.parent)
  finally:
    partial.unlink(missing_ok=True)


def sync_folder(path: pathlib.Path) -> None:
  """Makes renames inside a folder last through a power cut."""
  descriptor = os.open(path, os.O_RDONLY)
  try:
    os.fsync(descriptor)
  finally:
    os.close(descriptor)


class ArrayFile:
  """A .npy that grows: numpy pads its header, so it can be written again.

  Holds arrays [count, *shape] of a dtype with that shape.
  """

  def __init__(self, path: pathlib.Path, dtype: np.dtype) -> None:
    self.file = open(path, "wb")
    self._dtype = dtype
    self.count = 0
    self._write_header()

  def _write_header(self) -> None:
    header = {
      "descr": np.lib.format.dtype_to_descr(self._dtype.base),
      "fortran_order": False,
      "shape": (self.count, *self._dtype.shape),
    }
    np.lib.format.write_array_header_1_0(self.file, header)

  def append(self, array: np.ndarray) -> None:
    """Adds rows [N, *shape]."""
    array = np.ascontiguousarray(array, self._dtype.base)
    self.file.write(array.tobytes())
    self.count += len(array)

  def close(self) -> None:
    """Makes the file whole and puts it on the disk."""
    self.file.seek(0)
    self._write_header()
    self.file.flush()
    os.fsync(self.file.fileno())
    self.file.close()


class ShardWriter:
  """Writes one shard, piece by piece, in memory that does not grow.

  Use as a context and end with `commit`; without it nothing is left behind.
  Each writer has a folder of its own until then, so two builds never mix.
  """

  def __init__(self, path: pathlib.Path) -> None:
    self._path = path
    self._partial = path.with_name(f"{path.name}.tmp-{uuid.uuid4().hex}")

  def __enter__(self) -> "ShardWriter":
    self._partial.mkdir()
    self._arrays = {
      name: ArrayFile(self._partial / f"{name}.npy", dtype)
      for name, dtype in ARRAYS.items()
    }
    self._rows = open(self._partial / ROWS, "w", encoding="ascii")
    return self

  def __exit__(self, *_: Any) -> None:
    try:
      for array in self._arrays.values():
        array.file.close()
      self._rows.close()
    finally:
      shutil.rmtree(self._partial, ignore_errors=True)

  def add_piece(
    self,
    piece: notes_lib.Piece,
    signature: np.ndarray,
    seconds: float,
    content: int,
    family: int,
  ) -> int:
    """Appends a piece and its MinHash signature [128]; returns its row."""
    arrays = self._arrays
    arrays["notes"].append(piece.notes)
    arrays["tempos"].append(piece.tempos)
    arrays["meters"].append(piece.meters)
    arrays["signatures"].append(signature[None])
    row = np.zeros(1, TABLE)
    row["notes_end"] = arrays["notes"].count
    row["tempos_end"] = arrays["tempos"].count
    row["meters_end"] = arrays["meters"].count
    row["seconds"] = seconds
    row["content"] = content
    row["family"] = family
    row["ticks_per_beat"] = piece.ticks_per_beat
    row["note_count"] = len(piece.notes)
    arrays["table"].append(row)
    return arrays["table"].count - 1

  def add_row(self, row: dict[str, Any]) -> None:
    """Appends what became of one input file."""
    self._rows.write(json.dumps(row, sort_keys=True) + "\n")

  def commit(self, record: dict[str, Any]) -> None:
    """Puts the shard in its place, with `record` and its files' hashes.

    A shard already there is replaced; of two writers at once, one wins.
    """
    for array in self._arrays.values():
      array.close()
    self._rows.flush()
    os.fsync(self._rows.fileno())
    self._rows.close()
    written = {path.name: path for path in sorted(self._partial.iterdir())}
    record = record | {
      "files": {
        name: {"bytes": path.stat().st_size, "sha256": file_sha256(path)}
        for name, path in written.items()
      }
    }
    atomic.write(self._partial / RECORD, dump_json(record))
    # A folder cannot be replaced at once: between the renames there is none.
    stale = self._partial.with_name(f"{self._partial.name}-old")
    try:
      if self._path.exists():
        os.rename(self._path, stale)
      os.rename(self._partial, self._path)
    except OSError:
      if not self._path.exists():
        raise
    finally:
      shutil.rmtree(stale, ignore_errors=True)
    sync_folder(self._path.parent)
