"""Makes a data set of note shards of a polyphonic benchmark's .npz file.

  python -m data_prep.import_frames --npz=JSB_Chorales.npz \\
    --output_dir=data/jsb --steps_per_beat=1

The published splits stand: pieces that are the same are named, none is
removed or moved. A key that sounds in successive frames becomes one note.
"""

import hashlib
import pathlib

import numpy as np
from absl import flags

from data_prep import finalise, plans
from musegen_jax import errors
from musegen_jax.data import frames, minhash, shard_writer, shards
from musegen_jax.data import notes as notes_lib
from musegen_jax.data.codecs import codec as codec_lib
from musegen_jax.errors import UserError

FLAGS = flags.FLAGS


def define_flags() -> None:
  """Declares this program's flags."""
  flags.DEFINE_string("npz", None, "A benchmark file, see frames.read_npz.")
  flags.DEFINE_string("output_dir", None, "Folder for the data set.")
  flags.DEFINE_integer(
    "steps_per_beat",
    None,
    "Frames in a quarter note: 1 for JSB_Chorales, 2 for the other sets.",
    lower_bound=1,
    upper_bound=24,
  )
  flags.mark_flags_as_required(["npz", "output_dir", "steps_per_beat"])


def main(argv: list[str]) -> None:
  """Runs `build` with the flags and says what it made."""
  if argv[1:]:
    raise UserError(f"unknown argument {argv[1]!r}; flags start with --")
  npz, output_dir = pathlib.Path(FLAGS.npz), pathlib.Path(FLAGS.output_dir)
  splits = frames.read_npz(npz)
  build(npz, splits, output_dir, FLAGS.steps_per_beat)
  dataset = shards.open_dataset(output_dir)
  print(describe(splits, dataset, FLAGS.steps_per_beat))
  print(f"{len(dataset.rows):,} pieces in {output_dir}")


def build(
  npz: pathlib.Path,
  splits: dict[str, frames.Rolls],
  output_dir: pathlib.Path,
  steps_per_beat: int,
) -> None:
  """Writes the data set.

  Args:
    npz: the benchmark file.
    splits: what is in it.
    output_dir: its own folder; a finished data set of another plan is kept.
    steps_per_beat: frames in a quarter note.

  Raises UserError for a piece without a note and where the folder is taken.
  """
  for rolls in splits.values():
    for number, name in enumerate(rolls.names):
      if not rolls.piece(number).any():
        raise UserError(f"{npz}: {name} is silent; take it out of the file")
  settings = {"steps_per_beat": steps_per_beat, "num_shards": 1}
  plan = plans.Plan(settings, shards.file_sha256(npz))
  plans.claim(output_dir, plan)
  # An index promises that every shard is there.
  (output_dir / shards.INDEX).unlink(missing_ok=True)
  (folder,) = finalise.shard_folders(output_dir, plan)
  with shard_writer.ShardWriter(folder) as writer:
    for rolls in splits.values():
      _add(writer, rolls, steps_per_beat)
    plans.check(output_dir, plan)
    writer.commit(
      {
        "format_version": shards.FORMAT_VERSION,
        "plan": plan.sha256,
        "inputs": plan.inputs,
        "complete": True,
      }
    )
  finalise.write(output_dir, plan, _as_published(folder, splits))


def describe(
  splits: dict[str, frames.Rolls], dataset: shards.Dataset, steps_per_beat: int
) -> str:
  """A line for each split, each pair of equal pieces, and each piece that the
  frames codec says in fewer frames, as notes do not keep silence at an end."""
  lines = [
    f"{'split':9} {name:6} {len(rolls):6,} pieces {len(rolls.frames):9,}"
    f" frames {dataset.index['splits'][name]['notes']:9,} notes"
    for name, rolls in splits.items()
  ]
  lines += [
    f"{'equal':9} {first} = {second}"
    for first, second in frames.duplicates(splits)
  ]
  codec = codec_lib.of("frames", steps_per_beat)
  for split, rolls in splits.items():
    lost = rolls.lengths - frames.from_dataset(dataset, codec, split).lengths
    lines += [
      f"{'shorter':9} {rolls.names[piece]} by {lost[piece]} silent frames"
      for piece in lost.nonzero()[0]
    ]
  return "\n".join(lines)


def _add(
  writer: shard_writer.ShardWriter, rolls: frames.Rolls, steps_per_beat: int
) -> None:
  codec = codec_lib.of("frames", steps_per_beat)
  for number, name in enumerate(rolls.names):
    roll = rolls.piece(number)
    piece = codec.decode(frames.to_tokens(roll, codec))
    sha256 = hashlib.sha256(roll.tobytes()).hexdigest()
    row = {
      "path": name,
      "sha256": sha256,
      "notes": len(piece.notes),
      "seconds": round(notes_lib.seconds(piece), 3),
      "outcome": "kept",
    }
    row |= dict.fromkeys(("genre", "composer", "title", "reason", "detail"), "")
    row |= {"repairs": [], "counts": {}}
    row["row"] = writer.add_piece(
      piece,
      minhash.signature(piece),
      row["seconds"],
      int(sha256[:16], 16),
      family=0,
    )
    writer.add_row(row)


def _as_published(
  folder: pathlib.Path, splits: dict[str, frames.Rolls]
) -> finalise.Decision:
  """Every piece is kept, in its own split, whatever it is like."""
  names = [shards.SPLITS.index(name) for name in splits]
  split = np.repeat(names, [len(rolls) for rolls in splits.values()])
  every = np.arange(len(split), dtype=np.int64)
  clusters = minhash.cluster(shards.load_array(folder, "signatures"))
  return finalise.Decision(every, clusters, every, split.astype(np.int8))


if __name__ == "__main__":
  define_flags()
  errors.run(main)
