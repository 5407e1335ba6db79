"""Tokens of a split kept beside its data set, so that a run starts at once.

`<data_dir>/.tokens/<key>/` holds flat arrays, read as memory maps, and an
index.json; a folder is renamed into place when it is whole. The key says all
that decides the tokens, the code that makes them included. It is only a cache:
a folder that cannot be written or is damaged costs time, nothing else.
"""

import contextlib
import dataclasses
import functools
import hashlib
import json
import os
import pathlib
import shutil
import sys
import time
import uuid
from collections.abc import Callable
from typing import Any

import numpy as np

from musegen_jax import atomic
from musegen_jax.data import shards
from musegen_jax.data.codecs.codec import Codec

FORMAT_VERSION = 1
FOLDER = ".tokens"
INDEX = "index.json"
# A run opens up to seven: five stretches of the training split and two more.
MOST_ENTRIES = 32
NUMBERS = "numbers"
_PARTIAL = "tmp-"
_PARTIAL_SECONDS = 3600.0  # what is still partial then belongs to the dead


@dataclasses.dataclass(frozen=True)
class Encoded:
  """One split, encoded, P pieces left.

  Attributes:
    arrays: by name, read-only.
    numbers: int64 [P], which pieces of the split are left, ascending.
    skipped: what was left out, by reason.
  """

  arrays: dict[str, np.ndarray]
  numbers: np.ndarray
  skipped: dict[str, int]

  def rows(self, of_split: list[dict]) -> list[dict]:
    """The metadata of the pieces that are left, of that of all pieces."""
    return [of_split[number] for number in self.numbers]


@functools.cache
def code_hash() -> str:
  """Hex sha256 of all sources of musegen_jax/data, as this process began.

  All of them, as a list of those that make tokens would be forgotten.
  """
  folder = pathlib.Path(__file__).parent
  found = hashlib.sha256()
  for path in sorted(folder.rglob("*.py")):
    source = path.read_bytes()
    name = path.relative_to(folder).as_posix()
    found.update(f"{name} {len(source)}\n".encode() + source)
  return found.hexdigest()


# Now, and not when it is asked for: a file may be edited in between.
code_hash()


def cached(
  encode: Callable[..., Encoded],
  dataset: shards.Dataset,
  split: str,
  codec: Codec,
  **settings: int | float,
) -> Encoded:
  """What `encode(dataset, split, codec, **settings)` returns, read from beside
  the data set where it is there.

  Args:
    encode: a function of musegen_jax/data that nothing but its arguments
      decides; what it raises is raised here, and kept nowhere.
    dataset: whose folder keeps it; it may be read-only.
    split: which is encoded.
    codec: one of the files in codecs/.
    settings: the other arguments.
  """
  key = {
    "format_version": FORMAT_VERSION,
    "code": code_hash(),
    "data": dataset.index["fingerprint"],
    "split": split,
    "pieces": len(dataset.split(split)),
    "codec": codec.name,
    "vocabulary": codec.vocabulary_hash,
    "steps_per_beat": codec.grid.steps_per_beat if codec.grid else None,
    "encode": f"{encode.__module__}.{encode.__qualname__}",
    "settings": settings,
  }
  path = dataset.path / FOLDER / _name(key)
  found = _read(path, key)
  if found is not None:
    with contextlib.suppress(OSError):
      os.utime(path)  # what was opened last goes last
    return found
  made = encode(dataset, split, codec, **settings)
  for array in (*made.arrays.values(), made.numbers):
    array.setflags(write=False)  # as a memory map is
  try:
    _write(path, key, made)
    _remove_old(path.parent, _prefix(key))
  except OSError as error:
    _say_once(path.parent, error.strerror or str(error))
  return made


def _prefix(key: dict[str, Any]) -> str:
  return f"{key['data'][:16]}-"


def _name(key: dict[str, Any]) -> str:
  text = json.dumps(key, sort_keys=True)
  return _prefix(key) + hashlib.sha256(text.encode()).hexdigest()[:24]


def _read(path: pathlib.Path, key: dict[str, Any]) -> Encoded | None:
  """What is kept there, or None where it is absent or damaged."""
  try:
    index = json.loads((path / INDEX).read_text())
    if index["key"] != key:
      return None
    arrays = {}
    for name, (dtype, shape) in index["arrays"].items():
      # As an array of NumPy's own class, as `encode` makes them.
      array = np.load(path / f"{name}.npy", "r", allow_pickle=False)
      arrays[name] = array.view(np.ndarray)
      if (array.dtype.str, list(array.shape)) != (dtype, shape):
        return None
    numbers = arrays.pop(NUMBERS)
    bounds = np.concatenate([[-1], numbers, [key["pieces"]]])
    if not (np.diff(bounds) > 0).all():
      return None
    return Encoded(arrays, numbers, dict(index["skipped"]))
  except Exception:  # a spoilt file: each kind of damage has its own error
    return None


def _write(path: pathlib.Path, key: dict[str, Any], made: Encoded) -> None:
  partial = path.with_name(f"{_PARTIAL}{uuid.uuid4().hex}")
  arrays = made.arrays | {NUMBERS: made.numbers}
  layout = {name: (a.dtype.str, a.shape) for name, a in arrays.items()}
  index = {"key": key, "arrays": layout, "skipped": made.skipped}
  try:
    path.parent.mkdir(exist_ok=True)
    partial.mkdir()
    for name, array in arrays.items():
      with open(partial / f"{name}.npy", "wb") as file:
        np.save(file, array, allow_pickle=False)
        file.flush()
        os.fsync(file.fileno())
    # Keys are not sorted: the reasons keep their order.
    atomic.write(partial / INDEX, (json.dumps(index) + "\n").encode())
    _put_in_place(partial, path, key)
  finally:
    shutil.rmtree(partial, ignore_errors=True)


def _put_in_place(
  partial: pathlib.Path, path: pathlib.Path, key: dict[str, Any]
) -> None:
  """Renames a folder to `path`, where only a damaged one is replaced."""
  for _ in range(2):
    try:
      os.rename(partial, path)
      return
    except OSError:
      if not path.exists():
        raise
    # Another process was first and others may read its maps already: over a
    # network, a file that is deleted under a map kills its reader.
    if _read(path, key) is not None:
      return
    _remove(path)


def _remove(path: pathlib.Path) -> None:
  """Deletes an entry that no reader is to find half deleted."""
  gone = path.with_name(f"{_PARTIAL}{uuid.uuid4().hex}")
  with contextlib.suppress(OSError):  # another process does the same
    os.rename(path, gone)
    shutil.rmtree(gone, ignore_errors=True)


def _remove_old(folder: pathlib.Path, prefix: str) -> None:
  """Deletes entries of other data, all but those opened last, and what killed
  writers left."""
  ages = {}
  for path in folder.iterdir():
    with contextlib.suppress(OSError):  # another process does the same
      ages[path] = time.time() - path.stat().st_mtime
  count = 0
  for path in sorted(ages, key=ages.__getitem__):
    if path.name.startswith(_PARTIAL):
      if ages[path] > _PARTIAL_SECONDS:
        shutil.rmtree(path, ignore_errors=True)
      continue
    count += path.name.startswith(prefix)
    if not path.name.startswith(prefix) or count > MOST_ENTRIES:
      _remove(path)


@functools.cache
def _say_once(folder: pathlib.Path, reason: str) -> None:
  print(
    f"tokens are not kept in {folder} ({reason}): runs start more slowly",
    file=sys.stderr,
  )
