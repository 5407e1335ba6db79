"""From all shards to a data set: duplicates, splits, report, index.

Runs in one process. What grows with the corpus are arrays and a list of paths:
under 2 KB a piece; rows are read from the shards one at a time.
"""

import collections
import hashlib
import io
import json
import pathlib
import shutil
import time
from typing import Any, NamedTuple

import numpy as np

from data_prep import plans, report, splits
from musegen_jax import atomic
from musegen_jax.data import minhash, shard_writer, shards
from musegen_jax.errors import UserError


class Decision(NamedTuple):
  """What becomes of each of P parsed pieces, in the order of the shards.

  Attributes:
    stands_for: [P] int64, the piece kept in its place; itself where kept.
    clusters: [P] int64, smallest index in its duplicate cluster.
    groups: [P] int64, smallest index in its cluster or tune family.
    splits: [P] int8 into shards.SPLITS.
  """

  stands_for: np.ndarray
  clusters: np.ndarray
  groups: np.ndarray
  splits: np.ndarray


def finalise(output_dir: pathlib.Path, plan: plans.Plan) -> dict[str, Any]:
  """Writes pieces.jsonl, report.csv and, last, index.json; returns the index.

  Every shard must be built. Raises UserError as `write` does.
  """
  decision = decide(shard_folders(output_dir, plan), plan.settings)
  return write(output_dir, plan, decision)


def shard_folders(
  output_dir: pathlib.Path, plan: plans.Plan
) -> list[pathlib.Path]:
  """The folders of a plan's shards, in order."""
  count = plan.settings["num_shards"]
  return [output_dir / shards.shard_name(n, count) for n in range(count)]


def write(
  output_dir: pathlib.Path, plan: plans.Plan, decision: Decision
) -> dict[str, Any]:
  """Like `finalise`, once it is decided what becomes of each piece.

  Raises UserError when no piece is kept, with the report written; then there
  is no index.json.
  """
  folders = shard_folders(output_dir, plan)
  names = [folder.name for folder in folders]
  tally = _Tally()
  with shard_writer.replacing(output_dir / shards.PIECES) as file:
    lines = _write_pieces(file, folders, decision, tally)
  with shard_writer.replacing(output_dir / report.REPORT) as file:
    for row in report.write(
      file, folders, lines, decision.stands_for, decision.splits
    ):
      tally.add_file(row)
  index = tally.index() | {
    "format_version": shards.FORMAT_VERSION,
    "plan": plan.sha256,
    "inputs": plan.inputs,
    "settings": plan.settings,
    "clusters": len(np.unique(decision.clusters)),
    "groups": len(np.unique(decision.groups)),
    "shards": names,
    "files": _files(output_dir, names),
  }
  index["fingerprint"] = _fingerprint(index, tally)
  plans.check(output_dir, plan)
  _remove_stale(output_dir)
  if not tally.pieces:
    (output_dir / shards.INDEX).unlink(missing_ok=True)
    raise UserError(_nothing_usable(index, output_dir))
  atomic.write(output_dir / shards.INDEX, shard_writer.dump_json(index))
  return index


def decide(folders: list[pathlib.Path], settings: dict[str, Any]) -> Decision:
  """Clusters all pieces, chooses which are kept, and splits the groups."""
  table = _concatenate(folders, "table")
  signatures = _concatenate(folders, "signatures")
  clusters = minhash.cluster(signatures)
  stands_for = np.arange(len(table), dtype=np.int64)
  if not settings["keep_duplicates"]:
    best_first = np.lexsort((table["content"], -table["note_count"]))
    stands_for = minhash.representatives(signatures, clusters, best_first)
  groups = splits.groups(clusters, table["family"])
  split = splits.assign(
    groups,
    table["content"],
    settings["seed"],
    settings["valid_fraction"],
    settings["test_fraction"],
  )
  return Decision(stands_for, clusters, groups, split)


class _Tally:
  """Counts on the way through the rows."""

  def __init__(self) -> None:
    self.files = 0
    self.pieces = 0
    self.training = hashlib.sha256()
    self.counts: dict[str, collections.Counter] = {
      name: collections.Counter()
      for name in ("outcomes", "reasons", "repairs", "events")
    }
    self.splits = {name: _totals() for name in shards.SPLITS}
    self.labels: dict[str, dict[str, float]] = {}

  def add_piece(self, piece: dict[str, Any]) -> None:
    self.pieces += 1
    # The path is left out: a folder may be moved without new music in it.
    seen = [piece[key] for key in shards.PIECE_FIELDS if key != "path"]
    self.training.update(json.dumps(seen).encode())
    genre = self.labels.setdefault(piece["genre"], _totals())
    for totals in (self.splits[piece["split"]], genre):
      totals["pieces"] += 1
      totals["notes"] += piece["notes"]
      totals["hours"] += piece["seconds"] / 3600

  def add_file(self, row: dict[str, Any]) -> None:
    self.files += 1
    self.counts["outcomes"][row["outcome"]] += 1
    if row["outcome"] == "rejected":
      self.counts["reasons"][row["reason"]] += 1
      return
    self.counts["repairs"].update(row["repairs"])
    self.counts["events"].update(row["counts"])

  def index(self) -> dict[str, Any]:
    for totals in (*self.splits.values(), *self.labels.values()):
      totals["hours"] = round(totals["hours"], 4)
    every = self.splits.values()
    return {
      "input_files": self.files,
      "pieces": self.pieces,
      "notes": sum(totals["notes"] for totals in every),
      "hours": round(sum(totals["hours"] for totals in every), 4),
      "splits": self.splits,
      "labels": self.labels,
      **{name: dict(counter) for name, counter in self.counts.items()},
    }


def _totals() -> dict[str, float]:
  return {"pieces": 0, "notes": 0, "hours": 0.0}


def _write_pieces(
  file: io.BufferedIOBase,
  folders: list[pathlib.Path],
  decision: Decision,
  tally: _Tally,
) -> np.ndarray:
  """Writes a line for each kept piece; returns [P] where each row starts."""
  lines = np.zeros(len(decision.splits), np.int64)
  first = 0
  for shard, folder in enumerate(folders):
    count = 0
    for offset, row in report.rows(folder):
      # A byte-identical twin shares the row of the piece before it.
      if row["row"] is None or row["row"] < count:
        continue
      at, count = first + row["row"], row["row"] + 1
      lines[at] = offset
      if decision.stands_for[at] != at:
        continue
      piece = row | {
        "id": tally.pieces,
        "shard": shard,
        "split": shards.SPLITS[decision.splits[at]],
        "cluster": int(decision.clusters[at]),
      }
      piece = {key: piece[key] for key in shards.PIECE_FIELDS}
      tally.add_piece(piece)
      file.write(json.dumps(piece).encode() + b"\n")
    first += count
  return lines


def _concatenate(folders: list[pathlib.Path], name: str) -> np.ndarray:
  return np.concatenate([shards.load_array(folder, name) for folder in folders])


def _files(output_dir: pathlib.Path, names: list[str]) -> dict[str, Any]:
  files = {
    name: {
      "bytes": (output_dir / name).stat().st_size,
      "sha256": shards.file_sha256(output_dir / name),
    }
    for name in (shards.PIECES, report.REPORT)
  }
  for name in names:
    record = shards.read_record(output_dir / name, verify=False)
    if record is None:
      raise UserError(
        f"{output_dir / name} changed while the index was made: run again"
      )
    files |= {f"{name}/{key}": file for key, file in record["files"].items()}
  return files


def _remove_stale(output_dir: pathlib.Path) -> None:
  """Removes what killed builds left; all shards are there by now."""
  for stale in output_dir.glob("*.tmp-*"):
    if stale.is_dir():
      shutil.rmtree(stale, ignore_errors=True)
    # A fresh file may belong to another task that is finalising too.
    elif stale.stat().st_mtime < time.time() - 3600:
      stale.unlink(missing_ok=True)


def _fingerprint(index: dict[str, Any], tally: _Tally) -> str:
  arrays = {
    name: file["sha256"]
    for name, file in index["files"].items()
    if name.endswith(("/notes.npy", "/tempos.npy", "/meters.npy", "/table.npy"))
  }
  tally.training.update(json.dumps(arrays, sort_keys=True).encode())
  return tally.training.hexdigest()


def _nothing_usable(index: dict[str, Any], output_dir: pathlib.Path) -> str:
  reasons = collections.Counter(index["reasons"]).most_common()
  listed = ", ".join(f"{reason} {count}" for reason, count in reasons)
  return (
    f"no usable piece in {index['input_files']} files ({listed}): see"
    f" {output_dir / report.REPORT}"
  )
