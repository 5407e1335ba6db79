"""One split of a data set, encoded: all its pieces' tokens in one array."""

import collections
import dataclasses

import numpy as np
import tqdm

from musegen_jax.data import shards
from musegen_jax.data.codecs.codec import Codec, Unencodable
from musegen_jax.errors import UserError


@dataclasses.dataclass(frozen=True)
class Corpus:
  """Pieces as framed tokens (begin, events, end), P pieces.

  Attributes:
    tokens: int16 [sum of lengths].
    offsets: int64 [P + 1]; piece p is tokens[offsets[p]:offsets[p + 1]].
    rows: P dicts of metadata, as `shards.Dataset.rows` has them.
    skipped: number of pieces left out, by reason.
  """

  tokens: np.ndarray
  offsets: np.ndarray
  rows: list[dict]
  skipped: dict[str, int]

  def __len__(self) -> int:
    return len(self.rows)

  def piece(self, index: int) -> np.ndarray:
    """Framed tokens int16 of one piece."""
    return self.tokens[self.offsets[index] : self.offsets[index + 1]]


def from_pieces(
  pieces: list[np.ndarray], rows: list[dict], skipped: dict[str, int]
) -> Corpus:
  """Joins framed pieces (int16 arrays) and their metadata."""
  lengths = [len(piece) for piece in pieces]
  offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
  empty = np.zeros(0, np.int16)
  return Corpus(np.concatenate([empty, *pieces]), offsets, rows, skipped)


def encode_split(
  dataset: shards.Dataset,
  split: str,
  codec: Codec,
  *,
  stretch: float = 1.0,
  shuffle_seed: int | None = None,
) -> Corpus:
  """Encodes every piece of one split.

  With `shuffle_seed` the tokens inside each piece are shuffled: a control on
  which no model of order can beat the unigram. Raises UserError when nothing
  is left.
  """
  pieces, rows, skipped = [], [], collections.Counter()
  chosen = dataset.split(split)
  for row in tqdm.tqdm(chosen, f"encode {split}", unit=" pieces", delay=2):
    try:
      tokens = codec.encode(dataset.load(row), stretch)
    except Unencodable as reason:
      skipped[str(reason)] += 1
      continue
    if shuffle_seed is not None:
      rng = np.random.default_rng((shuffle_seed, len(rows)))
      tokens = rng.permutation(tokens)
    pieces.append(codec.framed(tokens))
    rows.append(row)
  if not pieces:
    reasons = ", ".join(f"{reason}: {n}" for reason, n in skipped.items())
    raise UserError(
      f"split {split!r} has no piece that codec {codec.name!r} can encode"
      f" ({reasons or 'the split is empty'}); add MIDI or change"
      " --config.data.codec"
    )
  return from_pieces(pieces, rows, dict(skipped))
