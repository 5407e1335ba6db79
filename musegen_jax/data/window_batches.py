"""Batches of windows as a pure function of the step.

Letters: B batch, T steps a window, W windows.
"""

import functools
from collections.abc import Callable

import numpy as np

from musegen_jax.data.batches import Batch
from musegen_jax.data.codecs.codec import Codec
from musegen_jax.data.windows import Windows, decoder_inputs, mask

# Windows looked at together when the bounds are sought: keeps copies small.
CHUNK = 4096


def steps_per_epoch(windows: Windows, batch_size: int) -> int:
  """Steps after which every window has been seen about once; at least 1."""
  return max(1, len(windows) // batch_size)


def shift_bounds(tokens: np.ndarray, codec: Codec) -> np.ndarray:
  """Lowest and highest transposition, int64 [2, W], that keeps every pitch of
  each window of tokens [W, T] inside its field; 0 for what has no pitch."""
  bounds = np.zeros((2, len(tokens)), np.int64)
  fields = [field for field in codec.fields if field.is_pitch]
  for start in range(0, len(tokens) if fields else 0, CHUNK):
    rows = tokens[start : start + CHUNK]
    low, high = np.full(len(rows), -127), np.full(len(rows), 127)
    for field in fields:
      first = codec.offsets[field.name]
      last = first + field.high - field.low
      inside = (rows >= first) & (rows <= last)
      room = np.where(inside, first - rows, -127).max(axis=1)
      low = np.maximum(low, room)
      room = np.where(inside, last - rows, 127).min(axis=1)
      high = np.minimum(high, room)
    bounds[:, start : start + CHUNK] = low, high
  return bounds


def make_window_batch_at(
  windows: Windows,
  codec: Codec,
  *,
  batch_size: int,
  transpose_semitones: int,
  seed: int,
  rows: slice = slice(None),
) -> Callable[[int], Batch]:
  """Returns `batch_at(step)`, pure in (seed, step).

  Args:
    windows: at least one.
    codec: theirs.
    batch_size: B, over all processes; with fewer windows some come twice.
    transpose_semitones: each window of an epoch is moved by -k..k, as far as
      its pitches allow.
    seed: of the order and the shifts.
    rows: the rows of the batch this process needs.

  Returns:
    A function to dicts of inputs (begin, then the targets but the last) and
    targets [B, T] int32, mask [B, T] float32 (1 where the target is no pad),
    reset [B, T] bool (true at the first step).
  """
  epoch_steps = steps_per_epoch(windows, batch_size)
  bounds = shift_bounds(windows.tokens, codec)
  low, high = np.clip(bounds, -transpose_semitones, transpose_semitones)

  @functools.lru_cache(maxsize=2)
  def layout(epoch: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng((seed, epoch))
    order = rng.permutation(len(windows))
    return order, rng.integers(low, high + 1)

  def batch_at(step: int) -> Batch:
    epoch, index = divmod(step, epoch_steps)
    order, shifts = layout(epoch)
    row = index * batch_size + np.arange(batch_size)[rows]
    chosen = order[row % len(windows)]
    targets = windows.tokens[chosen].astype(np.int32)
    targets += shifts[chosen, None].astype(np.int32) * codec.is_pitch[targets]
    inputs = decoder_inputs(targets, codec)
    reset = np.zeros(targets.shape, bool)
    reset[:, 0] = True
    return {
      "inputs": inputs,
      "targets": targets,
      "mask": mask(targets, codec).astype(np.float32),
      "reset": reset,
    }

  return batch_at
