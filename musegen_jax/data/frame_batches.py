"""Rows of frames as a pure function of the step.

The pieces of a split, in an order drawn for each epoch, form one circle of
frames; each row of a batch goes on along its own stretch of it. Letters: B
batch, T window, F frames.
"""

import dataclasses
import functools
from collections.abc import Callable

import numpy as np

from musegen_jax.data.frames import Rolls


@dataclasses.dataclass(frozen=True)
class Rows:
  """Where the frames of a batch stand.

  Attributes:
    index: int32 [B, T], into the frames of a split.
    shift: int32 [B, T], keys by which each is moved up.
    reset: bool [B, T], where the state is emptied before the frame.
  """

  index: np.ndarray
  shift: np.ndarray
  reset: np.ndarray


RowsAt = Callable[[int], Rows]


def steps_per_epoch(rolls: Rolls, batch_size: int, window: int) -> int:
  """Steps after which every frame has been seen about once; at least 1."""
  return max(1, len(rolls.frames) // (batch_size * window))


def shift_bounds(rolls: Rolls, low: int, keys: int) -> np.ndarray:
  """int [P, 2]: how far down and up each piece can move and still have all its
  notes among `keys` keys from `low`; (0, 0) where it has notes outside."""
  bounds = np.zeros((len(rolls), 2), np.int64)
  for number in range(len(rolls)):
    used = np.flatnonzero(rolls.piece(number).any(0))
    if len(used) and low <= used[0] and used[-1] < low + keys:
      bounds[number] = low - used[0], low + keys - 1 - used[-1]
  return bounds


def make_rows_at(
  rolls: Rolls,
  *,
  batch_size: int,
  window: int,
  low: int,
  keys: int,
  transpose_semitones: int,
  seed: int,
  rows: slice = slice(None),
) -> RowsAt:
  """Returns `rows_at(step)`, pure in (seed, step).

  Args:
    rolls: the training split.
    batch_size: B, over all processes.
    window: T.
    low: first key of the model's range.
    keys: number of its keys.
    transpose_semitones: each piece of an epoch is moved by -k..k, as far as
      the range allows.
    seed: of the order and the shifts.
    rows: the rows of the batch this process needs.
  """
  epoch_steps = steps_per_epoch(rolls, batch_size, window)
  bounds = shift_bounds(rolls, low, keys)
  lowest, highest = np.clip(bounds, -transpose_semitones, transpose_semitones).T

  @functools.lru_cache(maxsize=2)
  def layout(epoch: int) -> tuple:
    rng = np.random.default_rng((seed, epoch))
    order = rng.permutation(len(rolls))
    shifts = rng.integers(lowest, highest + 1)[order]
    ends = np.cumsum(rolls.lengths[order])
    sources = rolls.offsets[:-1][order] - (ends - rolls.lengths[order])
    return ends, sources, shifts, rng.integers(0, ends[-1])

  def rows_at(step: int) -> Rows:
    epoch, number = divmod(step, epoch_steps)
    ends, sources, shifts, rotation = layout(epoch)
    row = np.arange(batch_size)[rows]
    first = (row * epoch_steps + number) * window + rotation
    positions = (first[:, None] + np.arange(window)) % ends[-1]
    piece = np.searchsorted(ends, positions, side="right")
    starts = np.append(0, ends)[piece]
    reset = positions == starts
    if number == 0:
      reset[:, 0] = True
    return Rows(
      (sources[piece] + positions).astype(np.int32),
      shifts[piece].astype(np.int32),
      reset,
    )

  return rows_at
