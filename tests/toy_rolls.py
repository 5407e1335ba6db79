"""Small rolls, and files of them."""

import pathlib

import numpy as np

from musegen_jax.data import frames
from musegen_jax.data.frames import Rolls


def of_pieces(*pieces: np.ndarray, split: str = "toy") -> Rolls:
  """Rolls of arrays [T, K]."""
  lengths = np.array([len(piece) for piece in pieces], np.int64)
  names = tuple(f"{split} {number}" for number in range(len(pieces)))
  return Rolls(np.concatenate(pieces).astype(np.uint8), lengths, names)


def random(
  split: str,
  *,
  seed: int,
  pieces: int,
  keys: int = frames.KEYS,
  states: int = 2,
) -> Rolls:
  """Pieces of 5 to 20 frames in which keys tend to stay as they are."""
  rng = np.random.default_rng((seed, len(split)))
  made = []
  for length in rng.integers(5, 21, pieces):
    piece = rng.integers(0, states, (length, keys)) * (
      rng.random((length, keys)) < 0.2
    )
    stays = rng.random((length, 1)) < 0.5
    for t in range(1, length):
      piece[t] = np.where(stays[t], piece[t - 1], piece[t])
    made.append(piece)
  return of_pieces(*made, split=split)


def write_npz(path: pathlib.Path, seed: int = 0) -> dict[str, Rolls]:
  """Writes a file like the published ones: 6, 3 and 3 pieces, keys 40..51."""
  arrays, splits = {"pitch_of_column_0": np.array(frames.LOWEST)}, {}
  for split, pieces in (("train", 6), ("valid", 3), ("test", 3)):
    rolls = random(split, seed=seed, pieces=pieces)
    rolls.frames[:, :19] = rolls.frames[:, 31:] = 0
    splits[split] = rolls
    arrays[f"{split}_packed"] = np.packbits(rolls.frames, axis=1)
    arrays[f"{split}_lengths"] = rolls.lengths.astype(np.int32)
  np.savez(path, **arrays)
  return splits
