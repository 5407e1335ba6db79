"""What the benchmark is run on: the published files, others like them, shards
of one's own MIDI."""

import dataclasses
import pathlib
from collections.abc import Sequence

from musegen_jax.data import frame_sets
from musegen_jax.data.codecs.codec import Codec
from musegen_jax.data.frames import Rolls
from musegen_jax.errors import UserError
from musegen_jax.evaluation.frame_published import SETS


@dataclasses.dataclass(frozen=True)
class Source:
  """A data set.

  Attributes:
    name: "jsb" and the like, or the name of the file or folder.
    path: where it was read.
    splits: train, valid, test.
    fingerprint: of the data; where they were read makes no difference.
    articulation: whether figures tell held keys from struck ones; the files in
      print do not.
  """

  name: str
  path: pathlib.Path
  splits: dict[str, Rolls]
  fingerprint: str
  articulation: bool


def locate(name: str, data_dir: str) -> tuple[str, pathlib.Path]:
  """Name and path of the data set that --data calls `name`: one of SETS, an
  .npz file, or a folder of shards. Raises UserError where there is none."""
  path = pathlib.Path(data_dir) / SETS[name].file if name in SETS else None
  if path and not path.is_file():
    raise UserError(
      f"--data={name}: {path} does not exist; give the folder of the benchmark"
      " files by --data_dir"
    )
  if path:
    return name, path
  path = pathlib.Path(name)
  if path.suffix == ".npz" or path.is_dir():
    label = path.resolve().stem
    # One's own data may be called like a published set.
    return (f"{label}-own" if label in SETS else label), path
  raise UserError(
    f"--data={name} is neither one of {', '.join(SETS)} nor an .npz file nor a"
    " folder made by data_prep.build_shards"
  )


def read(
  name: str, path: pathlib.Path, codec: Codec, articulation: bool
) -> Source:
  """Reads all splits; `codec` says the grid of a folder of shards.

  Raises UserError where the data are missing or damaged.
  """
  found = frame_sets.read(path, codec)
  return Source(name, path, found.splits, found.fingerprint, articulation)


def check_names(names: Sequence[str], flag: str) -> None:
  """Raises UserError where two things of one run have one name."""
  for name in names:
    if list(names).count(name) > 1:
      raise UserError(f"{flag} names {name!r} twice: give each once")
