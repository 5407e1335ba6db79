"""Compares the mido and the symusic reader on a folder of MIDI files.

Prints notes a second (CPU seconds of one core, median of the rounds;
the readers take turns), the speed of mido itself, which no reader
built on it can pass, and how many files give identical notes:

  python tests/benchmarks/reader_benchmark.py --midi_dir=../shared/data
"""

import functools
import gc
import io
import pathlib
import statistics
import time
from collections.abc import Callable

import mido
import numpy as np
from absl import flags

from musegen_jax import errors
from musegen_jax.data import midi, symusic_reader

_MIDI_DIR = flags.DEFINE_string(
  "midi_dir", None, "Folder, searched to any depth.", required=True
)
_SKIP = flags.DEFINE_string("skip", "odd", "Name of a folder to leave out.")
_ROUNDS = flags.DEFINE_integer("rounds", 3, "Measurements of each reader.")
_STRIDE = flags.DEFINE_integer("stride", 1, "Read every n-th file only.")


def _contents(folder: pathlib.Path) -> list[bytes]:
  paths = [
    path
    for path in sorted(folder.rglob("*"))
    if path.suffix.lower() in (".mid", ".midi", ".kar", ".rmi")
    and _SKIP.value not in path.relative_to(folder).parts
  ]
  if not paths:
    raise errors.UserError(f"no MIDI files in {folder}; check --midi_dir")
  return [path.read_bytes() for path in paths[:: _STRIDE.value]]


def _notes(reader: Callable, data: bytes) -> np.ndarray | str:
  try:
    return reader(data).piece.notes
  except midi.MidiRejected as rejection:
    return rejection.reason


def _read_by_mido(data: bytes) -> None:
  # Some files of the corpus are beyond plain mido; they cost it less.
  gc.disable()
  try:
    mido.MidiFile(file=io.BytesIO(data), clip=True)
  except Exception:
    pass
  finally:
    gc.enable()


def _cpu_seconds(reader: Callable, contents: list[bytes]) -> float:
  start = time.process_time()
  for data in contents:
    reader(data)
  return time.process_time() - start


def main(argv: list[str]) -> None:
  del argv
  contents = _contents(pathlib.Path(_MIDI_DIR.value))
  readers = {
    "mido": functools.partial(_notes, midi.read_midi),
    "symusic": functools.partial(_notes, symusic_reader.read_midi),
  }
  results = {
    name: [reader(data) for data in contents]
    for name, reader in readers.items()
  }
  same = sum(map(np.array_equal, results["mido"], results["symusic"]))
  count = sum(len(x) for x in results["mido"] if not isinstance(x, str))
  del results
  readers["mido itself"] = _read_by_mido
  seconds = {name: [] for name in readers}
  for _ in range(_ROUNDS.value):
    for name, reader in readers.items():
      seconds[name].append(_cpu_seconds(reader, contents))
  rates = {name: count / statistics.median(x) for name, x in seconds.items()}
  for name, rate in rates.items():
    print(f"{name:12} {rate:12,.0f} notes/s")
  share = rates["mido"] / rates["mido itself"]
  print(f"mido reader at {share:.0%} of mido itself")
  print(f"ratio        {rates['symusic'] / rates['mido']:12.1f}")
  print(f"identical notes in {same} of {len(contents)} files, {count:,} notes")


if __name__ == "__main__":
  errors.run(main)
