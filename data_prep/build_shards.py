"""Reads a folder of MIDI and writes a data set of note shards.

  python -m data_prep.build_shards --midi_dir=midi --output_dir=data/mine

Run again, it continues where it stopped; the result does not depend on the
number of workers. In a job array give each task its --task_index: whichever
finds that all shards are there makes the data set of them.
"""

import concurrent.futures
import dataclasses
import errno
import importlib.util
import multiprocessing
import os
import pathlib
import signal
import threading
from collections.abc import Callable
from concurrent.futures.process import BrokenProcessPool
from typing import Any

import tqdm
from absl import flags

from data_prep import finalise, inputs, plans, report, shard_worker
from musegen_jax import errors
from musegen_jax.data import midi, shards
from musegen_jax.errors import UserError

_MINHASH_VERSION = 1  # raise it when signatures change: shards are then remade
_LONGEST_TIMEOUT_SECONDS = 86_400


@dataclasses.dataclass(frozen=True)
class Options:
  """What the flags of the same names say; see `define_flags`."""

  midi_dir: str
  output_dir: str
  labels: str | None = None
  workers: int = 1
  task_index: int = 0
  num_tasks: int = 1
  file_timeout_seconds: float = 60.0
  num_shards: int = 32
  reader: str = "mido"
  sustain: bool = True
  min_notes: int = 1
  seed: int = 0
  valid_fraction: float = 0.1
  test_fraction: float = 0.1
  keep_duplicates: bool = False

  def settings(self) -> dict[str, Any]:
    """The part that decides the result, with the reader's limits."""
    names = [field.name for field in dataclasses.fields(self)]
    deciding = names[names.index("num_shards") :]
    return {name: getattr(self, name) for name in deciding} | {
      "limits": dataclasses.asdict(midi.Limits()),
      "minhash_version": _MINHASH_VERSION,
    }


def define_flags() -> None:
  """Declares this program's flags, one for each field of Options."""
  flags.DEFINE_string("midi_dir", None, "Folder of MIDI files, read through.")
  flags.DEFINE_string("output_dir", None, "Folder for the data set.")
  flags.DEFINE_string(
    "labels",
    None,
    "Csv with the columns path,genre,composer,title; labels.csv in --midi_dir"
    " by default, where there is one.",
  )
  flags.DEFINE_integer("workers", os.cpu_count(), "Processes.", lower_bound=1)
  flags.DEFINE_integer("task_index", 0, "Of a job array.", lower_bound=0)
  flags.DEFINE_integer("num_tasks", 1, "In the job array.", lower_bound=1)
  flags.DEFINE_float(
    "file_timeout_seconds", 60.0, "A file is given up after.", lower_bound=0.001
  )
  flags.DEFINE_integer(
    "num_shards", 32, "Parts of the data set.", lower_bound=1, upper_bound=512
  )
  flags.DEFINE_enum(
    "reader", "mido", ["mido", "symusic"], "Library to read by."
  )
  flags.DEFINE_bool("sustain", True, "Let the pedal lengthen notes.")
  flags.DEFINE_integer("min_notes", 1, "Fewer are rejected.", lower_bound=1)
  flags.DEFINE_integer("seed", 0, "Of the split.")
  flags.DEFINE_float("valid_fraction", 0.1, "Of groups.", 0.0, 1.0)
  flags.DEFINE_float("test_fraction", 0.1, "Of groups.", 0.0, 1.0)
  flags.DEFINE_bool(
    "keep_duplicates",
    False,
    "Keep near-duplicates, in one split; of equal files one stays anyway.",
  )
  flags.mark_flags_as_required(["midi_dir", "output_dir"])


def main(argv: list[str]) -> None:
  """Runs `build` with the flags."""
  if argv[1:]:
    raise UserError(f"unknown argument {argv[1]!r}; flags start with --")
  names = [field.name for field in dataclasses.fields(Options)]
  options = Options(**{name: getattr(flags.FLAGS, name) for name in names})
  try:
    build(options)
  except OSError as error:
    if error.errno not in (errno.ENOSPC, errno.EDQUOT):
      raise
    raise UserError(
      f"{options.output_dir}: {error.strerror}: make room, then the same"
      " command continues"
    ) from error


def build(options: Options) -> None:
  """Builds the shards of this task and, when all are there, the data set.

  Raises UserError for wrong options, when nothing is usable, and where the
  folder holds a data set of another plan.
  """
  output_dir = pathlib.Path(options.output_dir)
  tasks = _plan(options, output_dir)
  mine = tasks[options.task_index :: options.num_tasks]
  mine = [task for task in mine if not shard_worker.is_done(task, verify=True)]
  if mine:
    # An index promises that every shard is there.
    (output_dir / shards.INDEX).unlink(missing_ok=True)
    _build(mine, options.workers)
  missing = sum(not shard_worker.is_built(task) for task in tasks)
  if missing:
    print(
      f"task {options.task_index} of {options.num_tasks} is done,"
      f" {missing} of {len(tasks)} shards are still to come"
    )
    return
  plan = tasks[0].plan
  del tasks, mine  # the list of inputs makes room for the signatures
  _summarise(finalise.finalise(output_dir, plan), output_dir)


def _plan(
  options: Options, output_dir: pathlib.Path
) -> list[shard_worker.ShardTask]:
  """Collects the inputs, claims the folder, returns a task for each shard."""
  _check(options)
  midi_dir = pathlib.Path(options.midi_dir)
  labels = pathlib.Path(options.labels) if options.labels else None
  collected = inputs.collect(midi_dir, labels, midi.Limits().max_bytes)
  plan = plans.Plan(options.settings(), inputs.list_sha256(collected))
  plans.claim(output_dir, plan)
  parts: list[list[inputs.Input]] = [[] for _ in range(options.num_shards)]
  for item in collected:
    parts[int(item.sha256[:8], 16) % options.num_shards].append(item)
  return [
    shard_worker.ShardTask(
      shard, part, midi_dir, output_dir, plan, options.file_timeout_seconds
    )
    for shard, part in enumerate(parts)
  ]


def _check(options: Options) -> None:
  if options.task_index >= options.num_tasks:
    raise UserError(
      f"--task_index={options.task_index} must be below"
      f" --num_tasks={options.num_tasks}"
    )
  # Written so that nan, which the flags let pass, fails too.
  if not options.valid_fraction + options.test_fraction < 1:
    raise UserError(
      "--valid_fraction and --test_fraction leave nothing to train on: their"
      " sum must be below 1"
    )
  if not options.file_timeout_seconds <= _LONGEST_TIMEOUT_SECONDS:
    raise UserError(
      f"--file_timeout_seconds={options.file_timeout_seconds} must be at most"
      f" {_LONGEST_TIMEOUT_SECONDS}"
    )
  if options.reader == "symusic" and not importlib.util.find_spec("symusic"):
    raise UserError(
      "--reader=symusic needs symusic: pip install symusic, or use mido"
    )


def _build(tasks: list[shard_worker.ShardTask], workers: int) -> None:
  workers = min(workers, len(tasks))
  total = sum(len(task.inputs) for task in tasks)
  with tqdm.tqdm(
    total=total, desc="read", unit=" files", delay=2, mininterval=1
  ) as bar:
    if workers > 1:
      _build_in_processes(tasks, workers, bar)
      return
    for task in tasks:
      shard_worker.build(task, bar.update)


def _build_in_processes(
  tasks: list[shard_worker.ShardTask], workers: int, bar: tqdm.tqdm
) -> None:
  # Spawned: a fork would copy threads and locks in an unknown state.
  context = multiprocessing.get_context("spawn")
  counter = context.Value("q", 0)
  largest_first = sorted(tasks, key=lambda task: -len(task.inputs))
  pool = concurrent.futures.ProcessPoolExecutor(
    workers, context, _start_worker, (counter,)
  )
  try:
    waiting = {pool.submit(_build_counted, task) for task in largest_first}
    while waiting:
      done, waiting = concurrent.futures.wait(waiting, 0.5)
      for future in done:
        future.result()
      bar.update(counter.value - bar.n)
  except BrokenProcessPool:
    raise UserError(
      "a worker was killed, perhaps for lack of memory: the same command"
      " continues; fewer --workers need less"
    ) from None
  finally:
    pool.shutdown(cancel_futures=True)


_count_file: Callable[[], None]


def _start_worker(counter: Any) -> None:
  def count_file() -> None:
    with counter.get_lock():
      counter.value += 1

  def follow(parent: multiprocessing.process.BaseProcess) -> None:
    parent.join()
    os._exit(1)  # the parent was killed: nobody waits for this worker

  global _count_file
  _count_file = count_file
  signal.signal(signal.SIGINT, signal.SIG_DFL)  # die without a traceback
  parent = multiprocessing.parent_process()
  threading.Thread(target=follow, args=(parent,), daemon=True).start()


def _build_counted(task: shard_worker.ShardTask) -> None:
  shard_worker.build(task, _count_file)


def _summarise(index: dict[str, Any], output_dir: pathlib.Path) -> None:
  for name in ("outcomes", "reasons", "repairs"):
    for key, count in sorted(index[name].items()):
      print(f"{name[:-1]:9} {key:30} {count:9,} files")
  for name in shards.SPLITS:
    totals = index["splits"][name]
    print(
      f"{'split':9} {name:30} {totals['pieces']:9,} pieces"
      f" {totals['notes']:12,} notes {totals['hours']:10.2f} hours"
    )
    if not totals["pieces"] and name != "train":
      print(f"warning: {name} is empty ({index['groups']} groups of pieces)")
  print(
    f"{index['pieces']:,} of {index['input_files']:,} files kept,"
    f" {index['notes']:,} notes, {index['hours']:.2f} hours; every file is in"
    f" {output_dir / report.REPORT}"
  )


if __name__ == "__main__":
  define_flags()
  errors.run(main)
