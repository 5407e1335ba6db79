"""A data set as rolls, wherever it lies: a published file, or note shards."""

import dataclasses
import hashlib
import pathlib
from collections.abc import Mapping

from musegen_jax.data import frames, shards
from musegen_jax.data.codecs.codec import Codec
from musegen_jax.data.frames import Rolls


@dataclasses.dataclass(frozen=True)
class FrameSet:
  """All splits of a data set.

  Attributes:
    splits: train, valid, test.
    fingerprint: of the data; where they were read makes no difference.
  """

  splits: dict[str, Rolls]
  fingerprint: str


def fingerprint(splits: Mapping[str, Rolls]) -> str:
  """A hash of the names, lengths and frames of splits."""
  digest = hashlib.sha256()
  for split, rolls in splits.items():
    digest.update(split.encode())
    digest.update(rolls.lengths.tobytes())
    digest.update(rolls.frames.tobytes())
  return digest.hexdigest()[:16]


def read(path: str | pathlib.Path, codec: Codec) -> FrameSet:
  """Reads a benchmark's .npz file, or a folder of shards on the grid of
  `codec`.

  Raises UserError where the data are missing or damaged.
  """
  path = pathlib.Path(path)
  if path.suffix == ".npz" and not path.is_dir():
    splits = frames.read_npz(path)
    return FrameSet(splits, fingerprint(splits))
  dataset = shards.open_dataset(path)
  splits = {
    split: frames.from_dataset(dataset, codec, split) for split in shards.SPLITS
  }
  return FrameSet(splits, dataset.index["fingerprint"])
