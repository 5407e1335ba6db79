"""Speed of the measures of single pieces, and of the search for copies.

  python -m tests.benchmarks.measures_benchmark --data_dir=data/tunes

Every piece is a tune of the data set, played over and over for a minute. Times
are CPU seconds of one process with one thread, fastest of the rounds.
"""

import json
import resource
import time
from collections.abc import Callable

import numpy as np
from absl import flags

from musegen_jax import errors
from musegen_jax.data import notes, shards
from musegen_jax.evaluation.measures import (
  novelty,
  novelty_index,
  structure,
  table,
)

_DATA_DIR = flags.DEFINE_string(
  "data_dir", "data/tunes", "Data set, from data_prep.build_shards."
)
_PIECES = flags.DEFINE_integer("pieces", 256, "Pieces that are measured.")
_TRAINING = flags.DEFINE_integer("training", 10_000, "Pieces searched through.")
_ROUNDS = flags.DEFINE_integer("rounds", 3, "Measurements of each.")

SECONDS = 60.0


def minute(piece: notes.Piece, semitones: int) -> notes.Piece:
  """The piece over and over for a minute, moved by some semitones."""
  table_of = piece.notes.copy()
  length = int(notes.end_ticks(table_of).max())
  per_second = length / notes.seconds(piece)
  times = int(np.ceil(SECONDS * per_second / length))
  parts = [table_of.copy() for _ in range(times)]
  for number, part in enumerate(parts):
    part["start_tick"] += number * length
  said = np.concatenate(parts)
  said = said[said["start_tick"] < SECONDS * per_second]
  said["pitch"] = np.clip(said["pitch"].astype(int) + semitones, 0, 127)
  return notes.Piece(piece.ticks_per_beat, said, piece.tempos[:1])


def fastest(run: Callable[[], object]) -> float:
  """CPU seconds of the fastest round."""
  times = []
  for _ in range(_ROUNDS.value):
    start = time.process_time()
    run()
    times.append(time.process_time() - start)
  return min(times)


def main(argv: list[str]) -> None:
  """Measures and prints JSON."""
  del argv
  dataset = shards.open_dataset(_DATA_DIR.value)
  test, train = dataset.split("test"), dataset.split("train")
  asked = [minute(dataset.load(row), 0) for row in test[: _PIECES.value]]
  training = [
    # Another key on every round through the split: other music to the index.
    minute(dataset.load(train[n % len(train)]), n // len(train))
    for n in range(_TRAINING.value)
  ]
  count = len(asked)
  statistics = fastest(lambda: table.per_piece(asked))
  coherence = fastest(lambda: structure.per_piece(asked))
  start = time.process_time()
  index = novelty_index.build(training)
  build = time.process_time() - start
  search = fastest(lambda: novelty.measure(asked, index))
  result = {
    "pieces": count,
    "notes_a_piece": float(np.mean([len(piece.notes) for piece in asked])),
    "statistics_pieces_per_second": count / statistics,
    "coherence_pieces_per_second": count / coherence,
    "both_pieces_per_second": count / (statistics + coherence),
    "training_pieces": len(training),
    "index_build_seconds": build,
    "index_megabytes": sum(part.nbytes for part in vars(index).values()) / 1e6,
    "searches_per_second": count / search,
    "peak_megabytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3,
  }
  print(json.dumps(result, indent=2))


if __name__ == "__main__":
  errors.run(main)
