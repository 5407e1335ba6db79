"""Builds one shard; runs in processes that never import JAX."""

import contextlib
import dataclasses
import hashlib
import itertools
import pathlib
import signal
from collections.abc import Callable, Iterator
from typing import Any

from data_prep import plans, splits
from data_prep.inputs import Input, list_sha256
from musegen_jax.data import midi, minhash, shard_writer, shards
from musegen_jax.data import notes as notes_lib
from musegen_jax.data.midi_folder import LABELS, read_file

# Reasons that a second run may not meet: they leave a shard incomplete.
TRY_AGAIN = ("timeout", "changed_while_building")


class FileTimeout(BaseException):
  """The clock stopped a file; no `except Exception` on the way catches it."""


@dataclasses.dataclass(frozen=True)
class ShardTask:
  """What a worker is sent: one shard, and how to read its files."""

  shard: int
  inputs: list[Input]
  midi_dir: pathlib.Path
  output_dir: pathlib.Path
  plan: plans.Plan
  file_timeout_seconds: float

  @property
  def path(self) -> pathlib.Path:
    name = shards.shard_name(self.shard, self.plan.settings["num_shards"])
    return self.output_dir / name


def is_done(task: ShardTask, verify: bool) -> bool:
  """Whether the shard is there, whole and made from these inputs.

  One with a file that the clock stopped is not: that file is tried again.
  """
  record = shards.read_record(task.path, verify)
  return record is not None and record["complete"] and _matches(record, task)


def is_built(task: ShardTask) -> bool:
  """Like `is_done`, for a data set that may do without files that timed out."""
  record = shards.read_record(task.path, verify=False)
  return record is not None and _matches(record, task)


def _matches(record: dict[str, Any], task: ShardTask) -> bool:
  made_from = (record.get("plan"), record.get("inputs"))
  return made_from == (task.plan.sha256, list_sha256(task.inputs))


def build(task: ShardTask, count_file: Callable[[], None]) -> None:
  """Reads the inputs of a shard and writes it; calls `count_file` after each.

  Raises UserError when a build with other settings took the folder over.
  """
  complete = True
  with shard_writer.ShardWriter(task.path) as writer:
    for _, same in itertools.groupby(task.inputs, lambda item: item.sha256):
      twins = list(same)
      row, piece = _read(task, twins[0])
      if piece is not None:
        row["row"] = writer.add_piece(
          piece,
          minhash.signature(piece),
          row["seconds"],
          int(row["sha256"][:16], 16),
          splits.family(row["genre"], row["title"]),
        )
      complete = complete and row["reason"] not in TRY_AGAIN
      for twin in twins:
        own = {key: getattr(twin, key) for key in ("path", *LABELS)}
        writer.add_row(row | own)
        count_file()
    plans.check(task.output_dir, task.plan)
    if is_done(task, verify=True):
      return  # another build of the same plan was quicker
    writer.commit(
      {
        "format_version": shards.FORMAT_VERSION,
        "plan": task.plan.sha256,
        "inputs": list_sha256(task.inputs),
        "complete": complete,
      }
    )


def _read(
  task: ShardTask, item: Input
) -> tuple[dict[str, Any], notes_lib.Piece | None]:
  settings = task.plan.settings
  row = {key: getattr(item, key) for key in Input._fields if key != "problem"}
  row |= {"outcome": "rejected", "reason": item.problem and "unreadable_file"}
  row |= {"detail": item.problem, "repairs": [], "counts": {}, "row": None}
  row |= {"notes": 0, "seconds": 0.0}
  if item.problem:
    return row, None

  def rejected(reason: str, detail: str) -> tuple[dict[str, Any], None]:
    return row | {"reason": reason, "detail": detail}, None

  max_bytes = midi.Limits().max_bytes
  try:
    data = read_file(task.midi_dir / item.path, max_bytes)
  except OSError as error:
    return rejected("changed_while_building", error.strerror or str(error))
  if hashlib.sha256(data).hexdigest() != item.sha256:
    return rejected("changed_while_building", "other content than when listed")
  try:
    with time_limit(task.file_timeout_seconds):
      reading = reader(settings["reader"])(data, sustain=settings["sustain"])
  except midi.MidiRejected as error:
    return rejected(error.reason, error.detail)
  except FileTimeout:
    limit = f"stopped after {task.file_timeout_seconds:g} s"
    return rejected("timeout", limit)
  except Exception as error:
    # Whatever one hostile file provokes, the other files must be built.
    return rejected("reader_failed", f"{type(error).__name__}: {error}"[:200])
  piece = reading.piece
  row |= {"notes": len(piece.notes), "counts": reading.counts}
  row["seconds"] = round(notes_lib.seconds(piece), 3)
  if len(piece.notes) < settings["min_notes"]:
    return rejected("too_few_notes", f"{len(piece.notes)} notes")
  row["outcome"] = "kept_with_repair" if reading.repairs else "kept"
  row["repairs"] = list(reading.repairs)
  return row, piece


def reader(name: str) -> Callable[..., midi.Reading]:
  """The function that reads a file: `mido` or `symusic`."""
  if name == "mido":
    return midi.read_midi
  # Imported here, since symusic is an optional dependency.
  from musegen_jax.data import symusic_reader

  return symusic_reader.read_midi


@contextlib.contextmanager
def time_limit(seconds: float) -> Iterator[None]:
  """Raises FileTimeout inside the block once `seconds` have passed.

  Works in the main thread, where there is SIGALRM; a hang inside C stays.
  """

  def stop(*_: Any) -> None:
    raise FileTimeout

  if not hasattr(signal, "SIGALRM"):
    yield
    return
  before = signal.signal(signal.SIGALRM, stop)
  signal.setitimer(signal.ITIMER_REAL, seconds)
  try:
    yield
  finally:
    signal.setitimer(signal.ITIMER_REAL, 0)
    signal.signal(signal.SIGALRM, before)
