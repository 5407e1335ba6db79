"""Prints what a data set holds, and draws it with --plot.

python -m data_prep.show --data_dir=data/mine --plot=pictures
"""

import pathlib

import numpy as np
import tqdm
from absl import flags

from musegen_jax import errors, plots
from musegen_jax.data import notes as notes_lib
from musegen_jax.data import shards
from musegen_jax.errors import UserError

FLAGS = flags.FLAGS
PIANO_ROLLS = 4
# Longer notes are counted in the last bin.
MAX_SECONDS = 4.0


def define_flags() -> None:
  """Declares this program's flags."""
  flags.DEFINE_string("data_dir", None, "Made by data_prep.build_shards.")
  flags.DEFINE_string("plot", None, "Folder for pictures, made if missing.")
  flags.DEFINE_bool("verify", False, "Compare every file with its sha256.")
  flags.mark_flag_as_required("data_dir")


def main(argv: list[str]) -> None:
  if argv[1:]:
    raise UserError(f"unknown argument {argv[1]}: flags start with --")
  dataset = shards.open_dataset(FLAGS.data_dir, FLAGS.verify)
  print(describe(dataset))
  if FLAGS.plot:
    folder = pathlib.Path(FLAGS.plot)
    folder.mkdir(parents=True, exist_ok=True)
    for path in draw(dataset, folder):
      print(path)


def describe(dataset: shards.Dataset) -> str:
  """Tables of pieces, notes and hours, and of what became of the files."""
  index = dataset.index
  lines = [
    f"{dataset.path}: {index['pieces']:,} pieces, {index['notes']:,} notes,"
    f" {index['hours']:.2f} hours, from {index['input_files']:,} files",
    f"{index['clusters']:,} duplicate clusters, {index['groups']:,} groups"
    f" kept in one split, fingerprint {index['fingerprint'][:16]}",
  ]
  for kind, table in (("split", "splits"), ("genre", "labels")):
    lines += ["", f"{kind:32} {'pieces':>9} {'notes':>12} {'hours':>9}"]
    for name in shards.SPLITS if kind == "split" else sorted(index[table]):
      totals = index[table][name]
      lines.append(
        f"{name or '(none)':32} {totals['pieces']:9,} {totals['notes']:12,}"
        f" {totals['hours']:9.2f}"
      )
  for table in ("outcomes", "reasons", "repairs", "events"):
    if index[table]:
      unit = "notes or events" if table == "events" else "files"
      lines += ["", f"{table:32} {unit:>15}"]
      lines += [f"{k:32} {n:15,}" for k, n in sorted(index[table].items())]
  return "\n".join(lines)


def draw(dataset: shards.Dataset, folder: pathlib.Path) -> list[pathlib.Path]:
  """Draws three histograms over all notes and PIANO_ROLLS pieces.

  The pieces stand at equal distances in the data set. Returns the pictures.
  """
  edges = {
    "pitch": np.arange(129),
    "velocity": np.arange(129),
    "duration": np.linspace(0, MAX_SECONDS, 81),
  }
  labels = {"duration": f"seconds, {MAX_SECONDS:g} and more in the last bin"}
  counts = {name: np.zeros(len(e) - 1, np.int64) for name, e in edges.items()}
  for row in tqdm.tqdm(dataset.rows, "count", unit=" pieces", delay=2):
    piece = dataset.load(row)
    for name, values in _columns(piece).items():
      counts[name] += np.histogram(values, edges[name])[0]
  paths = []
  for name, count in counts.items():
    paths.append(folder / f"{name}.png")
    plots.histogram(
      count,
      edges[name],
      paths[-1],
      title=f"{name} of {count.sum():,} notes",
      x_label=labels.get(name, name),
    )
  chosen = np.linspace(0, len(dataset.rows) - 1, PIANO_ROLLS).astype(int)
  for at in np.unique(chosen):
    row = dataset.rows[at]
    paths.append(folder / f"piano-roll-{row['id']:07d}.png")
    plots.piano_roll(dataset.load(row), paths[-1], row["path"])
  return paths


def _columns(piece: notes_lib.Piece) -> dict[str, np.ndarray]:
  notes = piece.notes
  starts = notes_lib.tick_seconds(piece, notes["start_tick"])
  ends = notes_lib.tick_seconds(piece, notes_lib.end_ticks(notes))
  seconds = np.minimum(ends - starts, MAX_SECONDS)
  return {
    "pitch": notes["pitch"],
    "velocity": notes["velocity"],
    "duration": seconds,
  }


if __name__ == "__main__":
  define_flags()
  errors.run(main)
