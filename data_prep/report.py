"""report.csv: what became of every input file."""

import csv
import io
import json
import pathlib
from collections.abc import Iterator
from typing import Any

import numpy as np

from musegen_jax.data import shards

REPORT = "report.csv"
REPORT_COLUMNS = (
  "path",
  "outcome",
  "reason",
  "detail",
  "notes",
  "seconds",
  "split",
)


def rows(folder: pathlib.Path) -> Iterator[tuple[int, dict[str, Any]]]:
  """Yields (offset of the line, row) of each input file of a shard."""
  offset = 0
  with open(folder / shards.ROWS, "rb") as lines:
    for line in lines:
      yield offset, json.loads(line)
      offset += len(line)


def write(
  file: io.BufferedIOBase,
  folders: list[pathlib.Path],
  lines: np.ndarray,
  stands_for: np.ndarray,
  split: np.ndarray,
) -> Iterator[dict[str, Any]]:
  """Writes a line for every input file, sorted by path, and yields its row.

  Args:
    file: csv in UTF-8; bytes of a path that are none are escaped.
    folders: the shards.
    lines: [P] where the row of each piece starts in its rows.jsonl.
    stands_for: [P] the piece kept in its place.
    split: [P] indices into shards.SPLITS.
  """
  places = sorted(
    (row["path"], shard, offset)
    for shard, folder in enumerate(folders)
    for offset, row in rows(folder)
  )
  tables = [shards.load_array(folder, "table") for folder in folders]
  counts = [len(table) for table in tables]
  firsts = np.concatenate([[0], np.cumsum(counts)])
  text = io.TextIOWrapper(
    file, "utf-8", "backslashreplace", newline="", write_through=True
  )
  report = csv.DictWriter(
    text, REPORT_COLUMNS, extrasaction="ignore", lineterminator="\n"
  )
  report.writeheader()
  with _RowFiles(folders) as row_files:
    for _, shard, offset in places:
      row = row_files.read(shard, offset)
      if row["row"] is not None:
        kept = int(stands_for[firsts[shard] + row["row"]])
        twin_shard = int(np.searchsorted(firsts, kept, side="right")) - 1
        twin = row_files.read(twin_shard, int(lines[kept]))
        row = _resolved(row, twin["path"], int(split[kept]))
      reason = row["reason"] or "+".join(row["repairs"])
      report.writerow(row | {"reason": reason})
      yield row
  text.detach()


def _resolved(
  row: dict[str, Any], kept_path: str, split: int
) -> dict[str, Any]:
  """A parsed file's row, once it is known which twin is kept."""
  if row["path"] == kept_path:
    return row | {"split": shards.SPLITS[split]}
  outcome = {"outcome": "rejected", "reason": "duplicate", "repairs": []}
  return row | outcome | {"detail": kept_path}


class _RowFiles:
  """The rows of all shards, read at random."""

  def __init__(self, folders: list[pathlib.Path]) -> None:
    self._files = [open(folder / shards.ROWS, "rb") for folder in folders]

  def __enter__(self) -> "_RowFiles":
    return self

  def __exit__(self, *_: Any) -> None:
    for file in self._files:
      file.close()

  def read(self, shard: int, offset: int) -> dict[str, Any]:
    self._files[shard].seek(offset)
    return json.loads(self._files[shard].readline())
