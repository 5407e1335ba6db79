"""One split of a data set, encoded: all its pieces' tokens in one array."""

import collections
import dataclasses

import numpy as np
import tqdm

from musegen_jax.data import shards, token_cache
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
  which no model of order can beat the unigram. The tokens are read-only, and
  kept beside the data set. Raises UserError when nothing is left.
  """
  found = token_cache.cached(_encode, dataset, split, codec, stretch=stretch)
  rows = found.rows(dataset.split(split))
  whole = Corpus(**found.arrays, rows=rows, skipped=found.skipped)
  return whole if shuffle_seed is None else _shuffled(whole, shuffle_seed)


def _encode(
  dataset: shards.Dataset, split: str, codec: Codec, stretch: float
) -> token_cache.Encoded:
  pieces, numbers, skipped = [], [], collections.Counter()
  chosen = dataset.split(split)
  progress = tqdm.tqdm(chosen, f"encode {split}", unit=" pieces", delay=2)
  for number, row in enumerate(progress):
    try:
      pieces.append(codec.framed(codec.encode(dataset.load(row), stretch)))
    except Unencodable as reason:
      skipped[str(reason)] += 1
      continue
    numbers.append(number)
  if not pieces:
    reasons = ", ".join(f"{reason}: {n}" for reason, n in skipped.items())
    raise UserError(
      f"split {split!r} has no piece that codec {codec.name!r} can encode"
      f" ({reasons or 'the split is empty'}); add MIDI or change"
      " --config.data.codec"
    )
  joined = from_pieces(pieces, [], {})
  arrays = {"tokens": joined.tokens, "offsets": joined.offsets}
  return token_cache.Encoded(arrays, np.array(numbers), dict(skipped))


def _shuffled(whole: Corpus, seed: int) -> Corpus:
  """A copy with the tokens between begin and end of each piece shuffled."""
  tokens = whole.tokens.copy()
  for piece in range(len(whole)):
    inner = slice(whole.offsets[piece] + 1, whole.offsets[piece + 1] - 1)
    rng = np.random.default_rng((seed, piece))
    tokens[inner] = rng.permutation(tokens[inner])
  return dataclasses.replace(whole, tokens=tokens)
