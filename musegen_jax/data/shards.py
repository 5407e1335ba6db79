"""Note shards: their layout on the disk, and reading the data set they make.

A shard is a folder `shard-00003-of-00032` of flat arrays, renamed into place
when it is whole. `index.json`, written last, makes the shards a data set;
`pieces.jsonl` beside it has a line for each piece training may see.
"""

import dataclasses
import hashlib
import json
import pathlib
from typing import Any

import numpy as np

from musegen_jax.data import notes as notes_lib
from musegen_jax.data.minhash import PERMUTATIONS
from musegen_jax.errors import UserError

FORMAT_VERSION = 1
INDEX = "index.json"
PIECES = "pieces.jsonl"
ROWS = "rows.jsonl"
RECORD = "record.json"

# A row a piece. The ends are offsets into the arrays of the shard: piece p has
# notes[table[p - 1].notes_end : table[p].notes_end]. `content` is the start of
# the file's sha256, `family` a hash of genre and title (0: no title).
TABLE = np.dtype(
  [
    ("notes_end", "<i8"),
    ("tempos_end", "<i8"),
    ("meters_end", "<i8"),
    ("seconds", "<f8"),
    ("content", "<u8"),
    ("family", "<u8"),
    ("ticks_per_beat", "<i4"),
    ("note_count", "<i4"),
  ]
)
SIGNATURE = np.dtype(("<u4", (PERMUTATIONS,)))
PIECE_FIELDS = (
  "id",
  "path",
  "sha256",
  "shard",
  "row",
  "split",
  "cluster",
  "genre",
  "composer",
  "title",
  "notes",
  "seconds",
)
SPLITS = ("train", "valid", "test")
_REBUILD = "run data_prep.build_shards again with the same flags"
ARRAYS = {
  "notes": notes_lib.NOTE,
  "tempos": notes_lib.TEMPO,
  "meters": notes_lib.METER,
  "table": TABLE,
  "signatures": SIGNATURE,
}


def shard_name(shard: int, num_shards: int) -> str:
  """Folder name of a shard."""
  return f"shard-{shard:05d}-of-{num_shards:05d}"


def file_sha256(path: pathlib.Path) -> str:
  """Hex sha256 of a file."""
  with open(path, "rb") as file:
    return hashlib.file_digest(file, "sha256").hexdigest()


def load_array(folder: pathlib.Path, name: str) -> np.ndarray:
  """A memory map of one of ARRAYS of a shard; UserError where it is none."""
  path, dtype = folder / f"{name}.npy", ARRAYS[name]
  try:
    array = np.load(path, "r", allow_pickle=False)
  except OSError:
    raise
  except Exception:  # a spoilt header: ValueError, EOFError, TokenError...
    raise UserError(f"{path} is damaged: {_REBUILD}") from None
  if (array.dtype, array.shape[1:]) != (dtype.base, dtype.shape):
    raise UserError(f"{path} is damaged: {_REBUILD}")
  return array


def read_record(path: pathlib.Path, verify: bool) -> dict[str, Any] | None:
  """The record of a shard, or None where the shard is not whole.

  Sizes are compared with the record; with `verify`, contents too.
  """
  try:
    record = json.loads((path / RECORD).read_text())
    for name, file in record["files"].items():
      if (path / name).stat().st_size != file["bytes"]:
        return None
      if verify and file_sha256(path / name) != file["sha256"]:
        return None
  except (OSError, ValueError, KeyError, TypeError, AttributeError):
    return None  # missing, cut off or not ours: to be built again
  return record


@dataclasses.dataclass(frozen=True)
class Dataset:
  """A finished data set, its notes left on the disk until they are asked for.

  Attributes:
    path: its folder.
    index: what index.json holds; `index["fingerprint"]` changes when what
      training sees changes.
    rows: a dict of PIECE_FIELDS for each kept piece, ordered by id.
    shards: memory maps of each shard's ARRAYS, by name.
  """

  path: pathlib.Path
  index: dict[str, Any]
  rows: list[dict[str, Any]]
  shards: list[dict[str, np.ndarray]]

  def split(self, name: str) -> list[dict[str, Any]]:
    """The rows of one of SPLITS."""
    return [row for row in self.rows if row["split"] == name]

  def load(self, row: dict[str, Any]) -> notes_lib.Piece:
    """The piece of one of `rows`, copied into memory."""
    arrays, at = self.shards[row["shard"]], row["row"]
    table = arrays["table"]

    def part(name: str) -> np.ndarray:
      start = int(table[at - 1][f"{name}_end"]) if at else 0
      stop = int(table[at][f"{name}_end"])
      return np.array(arrays[name][start:stop])

    ticks_per_beat = int(table[at]["ticks_per_beat"])
    return notes_lib.Piece(
      ticks_per_beat, part("notes"), part("tempos"), part("meters")
    )


def open_dataset(data_dir: str | pathlib.Path, verify: bool = False) -> Dataset:
  """Opens what data_prep.build_shards wrote.

  Compares the size of every file with the index, or, with `verify`, its
  sha256. Raises UserError where the folder is missing, unfinished, damaged or
  of another format version.
  """
  path = pathlib.Path(data_dir)
  index = _read_index(path)
  if index.get("format_version") != FORMAT_VERSION:
    raise UserError(
      f"{path} has format version {index.get('format_version')}, this program"
      f" reads {FORMAT_VERSION}: build it again with data_prep.build_shards"
    )
  for name, file in index["files"].items():
    # The list of pieces is read in any case, so it is always compared.
    _check_file(path / name, file, verify or name == PIECES)
  shards = [
    {name: load_array(path / shard, name) for name in ARRAYS}
    for shard in index["shards"]
  ]
  with open(path / PIECES, encoding="ascii") as lines:
    parsed = map(json.loads, lines)
    # The keys of PIECE_FIELDS are shared, those of json are new in each row.
    rows = [{key: row[key] for key in PIECE_FIELDS} for row in parsed]
  return Dataset(path, index, rows, shards)


def _read_index(path: pathlib.Path) -> dict[str, Any]:
  build = "python -m data_prep.build_shards --midi_dir=... --output_dir"
  try:
    index = json.loads((path / INDEX).read_text())
  except (FileNotFoundError, NotADirectoryError):
    if not path.is_dir():
      raise UserError(f"{path} is no folder: run {build}={path}") from None
    begun = "is unfinished: it " if any(path.glob("shard-*")) else ""
    raise UserError(
      f"{path} {begun}has no {INDEX}: run {build}={path}"
    ) from None
  except ValueError:
    index = None
  if not isinstance(index, dict):
    raise UserError(
      f"{path / INDEX} is damaged: delete it and run {build}={path} again"
    )
  return index


def _check_file(path: pathlib.Path, file: dict[str, Any], verify: bool) -> None:
  if not path.is_file():
    raise UserError(f"{path} is missing: {_REBUILD}")
  if path.stat().st_size != file["bytes"] or (
    verify and file_sha256(path) != file["sha256"]
  ):
    raise UserError(f"{path} is damaged: {_REBUILD}")
