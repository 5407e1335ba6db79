"""Piano-roll frames: their token form, benchmark files, data sets as rolls.

A roll has a row a time step and a column a key: 0 where it is silent, 1 where
it is struck, 2 where it is held from the frame before. Letters used in shapes:
F frames of all pieces, T frames of one, P pieces, N tokens.
"""

import collections
import dataclasses
import functools
import hashlib
import pathlib

import numpy as np

from musegen_jax.data import corpus, shards
from musegen_jax.data.codecs.codec import Codec
from musegen_jax.errors import UserError

KEYS = 88
LOWEST = 21  # MIDI pitch of column 0
HIGHEST = LOWEST + KEYS - 1
SILENT, STRUCK, HELD = 0, 1, 2
_BYTES = KEYS // 8


@dataclasses.dataclass(frozen=True)
class Rolls:
  """Pieces as rolls, end to end.

  Attributes:
    frames: uint8 [F, 88].
    lengths: int64 [P], frames of each piece.
    names: P names for messages.
    skipped: number of pieces left out, by reason.
  """

  frames: np.ndarray
  lengths: np.ndarray
  names: tuple[str, ...]
  skipped: dict[str, int] = dataclasses.field(default_factory=dict)

  @functools.cached_property
  def offsets(self) -> np.ndarray:
    """int64 [P + 1]; piece p is frames[offsets[p]:offsets[p + 1]]."""
    return np.concatenate([[0], np.cumsum(self.lengths)]).astype(np.int64)

  def __len__(self) -> int:
    return len(self.lengths)

  def piece(self, index: int) -> np.ndarray:
    """The roll uint8 [T, 88] of one piece."""
    return self.frames[self.offsets[index] : self.offsets[index + 1]]


def to_tokens(roll: np.ndarray, codec: Codec) -> np.ndarray:
  """Tokens int16 [N] of a roll [T, 88]: each frame's keys from low to high,
  then a step.

  `codec` is `frames` on any grid.
  """
  firsts = [0, codec.offsets["struck"], codec.offsets["held"]]
  cells = np.array(firsts, np.int16)[roll] + np.arange(KEYS, dtype=np.int16)
  step = np.full((len(roll), 1), codec.offsets["step"], np.int16)
  said = np.concatenate([roll > SILENT, np.ones_like(step, bool)], axis=1)
  return np.concatenate([cells, step], axis=1)[said]


def from_tokens(tokens: np.ndarray, codec: Codec) -> np.ndarray:
  """The roll uint8 [T, 88] that tokens [N] say, specials skipped.

  A last frame without its step counts; a key said twice in a frame is struck
  where it was struck once. `codec` is `frames` on any grid.
  """
  tokens = np.asarray(tokens)
  tokens = tokens[tokens < codec.begin]
  is_step = tokens == codec.offsets["step"]
  frame = np.cumsum(is_step) - is_step
  unfinished = len(tokens) > 0 and not is_step[-1]
  roll = np.zeros((int(is_step.sum()) + unfinished, KEYS), np.uint8)
  for state, name in ((HELD, "held"), (STRUCK, "struck")):
    key = tokens - codec.offsets[name]
    says = (key >= 0) & (key < KEYS)
    roll[frame[says], key[says]] = state
  return roll


def from_dataset(dataset: shards.Dataset, codec: Codec, split: str) -> Rolls:
  """One split of note shards as rolls on the grid of `codec`, named by path.

  Raises UserError as `corpus.encode_split` does.
  """
  encoded = corpus.encode_split(dataset, split, codec)
  rolls = [
    from_tokens(encoded.piece(index), codec) for index in range(len(encoded))
  ]
  return Rolls(
    np.concatenate(rolls),
    np.array([len(roll) for roll in rolls], np.int64),
    tuple(row["path"] for row in encoded.rows),
    encoded.skipped,
  )


def read_npz(path: str | pathlib.Path) -> dict[str, Rolls]:
  """The splits of a benchmark file: train, valid and test, as published.

  The file holds `{split}_packed` uint8 [F, 11] (a bit a key), `{split}_lengths`
  integers [P] and `pitch_of_column_0`. It does not tell held from struck: a key
  that sounded in the frame before is held. Raises UserError where the file is
  missing or does not hold that.
  """
  path = pathlib.Path(path)
  try:
    arrays = np.load(path, allow_pickle=False)
  except FileNotFoundError:
    raise UserError(f"{path} does not exist: check the path") from None
  except OSError:
    raise
  except Exception:  # no zip, half a zip, a pickle: each has its own error
    arrays = None
  if not isinstance(arrays, np.lib.npyio.NpzFile):
    raise UserError(f"{path} is no .npz file, or damaged: fetch it again")
  with arrays:
    lowest = _lowest(path, arrays)
    return {
      split: _read_split(path, arrays, split, lowest) for split in shards.SPLITS
    }


def duplicates(splits: dict[str, Rolls]) -> list[tuple[str, str]]:
  """Names of pieces that sound the same bit for bit, within and across splits.

  Each piece that repeats one before it makes a pair with the first of its
  kind; struck or held makes no difference.
  """
  seen: dict[bytes, list[str]] = collections.defaultdict(list)
  for rolls in splits.values():
    for index, name in enumerate(rolls.names):
      sounding = rolls.piece(index) > SILENT
      seen[hashlib.sha256(sounding.tobytes()).digest()].append(name)
  return [(first, name) for first, *later in seen.values() for name in later]


def _array(
  path: pathlib.Path, arrays: np.lib.npyio.NpzFile, name: str
) -> np.ndarray:
  if name not in arrays:
    raise UserError(
      f"{path} has no {name}: a benchmark file has packed and lengths of"
      f" {', '.join(shards.SPLITS)}, and pitch_of_column_0"
    )
  try:
    return arrays[name]
  except Exception:  # pickled, cut off, a false checksum, a spoilt header
    raise UserError(
      f"{path}: {name} is damaged or holds Python objects: fetch it again"
    ) from None


def _lowest(path: pathlib.Path, arrays: np.lib.npyio.NpzFile) -> int:
  lowest = _array(path, arrays, "pitch_of_column_0")
  if lowest.shape != () or lowest.dtype.kind not in "iu":
    raise UserError(
      f"{path}: pitch_of_column_0 is {lowest.dtype} of shape {lowest.shape},"
      " not one integer"
    )
  return int(lowest)


def _read_split(
  path: pathlib.Path, arrays: np.lib.npyio.NpzFile, split: str, lowest: int
) -> Rolls:
  packed = _array(path, arrays, f"{split}_packed")
  lengths = _array(path, arrays, f"{split}_lengths")
  if packed.dtype != np.uint8 or packed.shape[1:] != (_BYTES,):
    raise UserError(
      f"{path}: {split}_packed is {packed.dtype} of shape {packed.shape}, not"
      f" uint8 of (frames, {_BYTES})"
    )
  if lengths.dtype.kind not in "iu" or lengths.ndim != 1:
    raise UserError(
      f"{path}: {split}_lengths is {lengths.dtype} of shape {lengths.shape},"
      " not integers of (pieces,)"
    )
  if not len(lengths):
    raise UserError(f"{path}: split {split!r} has no piece")
  # Python's integers: a hostile sum of 64-bit lengths could wrap to the truth.
  if lengths.min() < 1 or sum(lengths.tolist()) != len(packed):
    raise UserError(
      f"{path}: {split}_lengths must be at least 1 and add up to the"
      f" {len(packed)} frames of {split}_packed; the least is {lengths.min()},"
      f" the sum {sum(lengths.tolist())}"
    )
  lengths = lengths.astype(np.int64)
  starts = np.cumsum(lengths) - lengths
  names = tuple(f"{split} {number}" for number in range(len(lengths)))
  bits = np.unpackbits(packed, axis=1)
  columns = bits.any(axis=0).nonzero()[0]
  pitches = columns + lowest
  if ((pitches < LOWEST) | (pitches > HIGHEST)).any():
    raise UserError(
      f"{path}: {split} has pitches {pitches.min()}..{pitches.max()} (column 0"
      f" is {lowest}), outside {LOWEST}..{HIGHEST}"
    )
  frames = np.zeros((len(bits), KEYS), np.uint8)
  frames[:, pitches - LOWEST] = bits[:, columns]
  before = np.zeros_like(frames)
  before[1:] = frames[:-1]
  before[starts] = SILENT
  return Rolls(frames + (frames & before), lengths, names)
