"""Speed and memory of data_prep.build_shards.

  python -m tests.benchmarks.build_benchmark --midi_dir=../shared/data

prints notes/s of a whole build by one worker and by several (folders named
`odd` are left out), then what the duplicate index takes a piece.
"""

import os
import pathlib
import resource
import shutil
import subprocess
import sys
import tempfile
import time
import tracemalloc

import numpy as np
from absl import app, flags

from data_prep import finalise
from musegen_jax.data import minhash, shards

FLAGS = flags.FLAGS
ROOT = pathlib.Path(__file__).resolve().parents[2]


def define_flags() -> None:
  """Declares this program's flags."""
  flags.DEFINE_string("midi_dir", None, "Folder of MIDI.", required=True)
  flags.DEFINE_enum("reader", "mido", ["mido", "symusic"], "Library.")
  flags.DEFINE_list("workers", ["1", "2"], "Numbers of workers to compare.")
  flags.DEFINE_integer("repeats", 3, "Builds of each; the fastest counts.")
  flags.DEFINE_integer("pieces", 100_000, "Made up, for the memory figure.")


def build_seconds(
  midi_dir: pathlib.Path, workers: str
) -> tuple[int, float, float]:
  """(notes, wall seconds, CPU seconds of all processes) of one build."""
  before = resource.getrusage(resource.RUSAGE_CHILDREN)
  with tempfile.TemporaryDirectory() as output:
    command = [sys.executable, "-m", "data_prep.build_shards"]
    command += [f"--midi_dir={midi_dir}", f"--output_dir={output}"]
    command += [f"--workers={workers}", f"--reader={FLAGS.reader}"]
    start = time.perf_counter()
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    wall = time.perf_counter() - start
    folders = pathlib.Path(output).glob("shard-*")
    notes = sum(len(shards.load_array(f, "notes")) for f in folders)
  after = resource.getrusage(resource.RUSAGE_CHILDREN)
  cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
  return notes, wall, cpu


def index_bytes_a_piece(pieces: int) -> float:
  """Peak of memory while made-up shards are clustered, per piece.

  A tenth of the pieces are near-copies of another one.
  """
  rng = np.random.default_rng(0)
  signatures = rng.integers(0, 2**32, (pieces, minhash.PERMUTATIONS), np.uint32)
  copies = pieces // 10
  signatures[:copies, 13:] = signatures[copies : 2 * copies, 13:]
  table = np.zeros(pieces, shards.TABLE)
  table["content"] = rng.permutation(pieces)
  table["note_count"] = rng.integers(1, 5000, pieces)
  settings = {"keep_duplicates": False, "seed": 0}
  settings |= {"valid_fraction": 0.1, "test_fraction": 0.1}
  with tempfile.TemporaryDirectory() as folder:
    path = pathlib.Path(folder)
    np.save(path / "table.npy", table)
    np.save(path / "signatures.npy", signatures)
    del signatures, table
    tracemalloc.start()
    decision = finalise.decide([path], settings)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
  kept = (decision.stands_for == np.arange(pieces)).sum()
  assert kept == pieces - copies, kept
  return peak / pieces


def main(argv: list[str]) -> None:
  del argv
  source = pathlib.Path(FLAGS.midi_dir)
  with tempfile.TemporaryDirectory() as folder:
    midi_dir = pathlib.Path(folder, "midi")
    odd = shutil.ignore_patterns("odd")
    shutil.copytree(source, midi_dir, ignore=odd)
    for workers in FLAGS.workers:
      runs = [build_seconds(midi_dir, workers) for _ in range(FLAGS.repeats)]
      notes, wall, cpu = min(runs, key=lambda run: run[1])
      print(
        f"{FLAGS.reader}, {workers} workers: {notes:,} notes in {wall:.1f} s,"
        f" {notes / wall:,.0f} notes/s; {notes / cpu:,.0f} a CPU second"
        f" (load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores)",
        flush=True,
      )
  start = time.perf_counter()
  peak = index_bytes_a_piece(FLAGS.pieces)
  print(
    f"duplicate index: {peak:,.0f} bytes a piece at its peak,"
    f" {FLAGS.pieces:,} pieces in {time.perf_counter() - start:.1f} s"
  )


if __name__ == "__main__":
  define_flags()
  app.run(main)
