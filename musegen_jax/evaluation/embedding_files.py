"""A folder of embeddings: embeddings.npy, index.jsonl and index.json.

embeddings.npy is float32 [N, E], to be memory-mapped; line n of index.jsonl
says what row n is of: path, genre, composer, title, bar, track. index.json is
written last: without it the folder is unfinished.
"""

import json
import os
import pathlib
import shutil
import uuid
from typing import Any

import numpy as np

from musegen_jax import atomic
from musegen_jax.data.shard_writer import ArrayFile
from musegen_jax.errors import UserError

FORMAT_VERSION = 1
EMBEDDINGS, ROWS, INDEX = "embeddings.npy", "index.jsonl", "index.json"


class Writer:
  """Writes embeddings batch by batch, in memory that does not grow.

  Use as a context and end with `commit`; without it the folder stays as it was.

  Attributes:
    count: rows written.
  """

  def __init__(
    self, folder: pathlib.Path, header: dict[str, Any], overwrite: bool
  ) -> None:
    """Raises UserError where the folder holds other embeddings than those the
    header is of, and may not be overwritten."""
    self._folder = folder
    self._header = {"format_version": FORMAT_VERSION} | header
    if not overwrite:
      _refuse_others(folder, self._header)
    self._partial = folder / f".embeddings-{uuid.uuid4().hex}"
    self.count = 0

  def __enter__(self) -> "Writer":
    self._partial.mkdir(parents=True)
    self._rows = open(self._partial / ROWS, "w", encoding="ascii")
    self._array: ArrayFile | None = None
    self._size = 0
    return self

  def __exit__(self, *_: Any) -> None:
    try:
      if self._array:
        self._array.file.close()
      self._rows.close()
    finally:
      shutil.rmtree(self._partial, ignore_errors=True)

  def append(self, rows: list[dict], vectors: np.ndarray) -> None:
    """Adds N rows and their embeddings [N, E]."""
    if self._array is None:
      self._size = vectors.shape[1]
      dtype = np.dtype(("<f4", (self._size,)))
      self._array = ArrayFile(self._partial / EMBEDDINGS, dtype)
    self._array.append(vectors)
    self._rows.writelines(json.dumps(row) + "\n" for row in rows)
    self.count += len(rows)

  def commit(self, footer: dict[str, Any]) -> dict[str, Any]:
    """Puts the files in their places; needs a row. Returns what index.json
    holds: header, shape and `footer`."""
    index = self._header | {"shape": [self.count, self._size]} | footer
    self._array.close()
    self._rows.flush()
    os.fsync(self._rows.fileno())
    (self._folder / INDEX).unlink(missing_ok=True)
    for name in (EMBEDDINGS, ROWS):
      os.replace(self._partial / name, self._folder / name)
    text = json.dumps(index, indent=2) + "\n"
    atomic.write(self._folder / INDEX, text.encode())
    return index


def _refuse_others(folder: pathlib.Path, header: dict[str, Any]) -> None:
  index, advice = folder / INDEX, "add --overwrite or give another --output"
  if not index.exists():
    if (folder / EMBEDDINGS).exists() or (folder / ROWS).exists():
      raise UserError(f"{folder} holds an unfinished run's files; {advice}")
    return
  try:
    stored = json.loads(index.read_text())
    same = {key: stored[key] for key in header} == header
  except (ValueError, KeyError, TypeError):
    same = False
  if not same:
    raise UserError(f"{folder} holds other embeddings; {advice}")
