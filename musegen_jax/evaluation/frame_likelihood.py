"""Exact log-likelihood of frames, state carried from each piece's beginning.

Letters: B rows, T window, F frames, P pieces.
"""

import functools
import heapq
from collections.abc import Sequence

import jax
import numpy as np

from musegen_jax.models import frame_features
from musegen_jax.models.frame_features import Heard
from musegen_jax.models.frames import FrameCarry, FrameModel


@functools.partial(jax.jit, static_argnames="model")
def _score_window(
  params: dict,
  carry: FrameCarry,
  heard: Heard,
  index: jax.Array,
  *,
  model: FrameModel,
) -> tuple[FrameCarry, jax.Array]:
  rows = frame_features.take(heard, index)
  nll, carry, _ = model.apply(
    {"params": params},
    rows.features,
    rows.frames,
    carry,
    reset=rows.features.position == 0,
  )
  return carry, nll


def _lay_out(
  lengths: np.ndarray, chosen: np.ndarray, rows: int, window: int
) -> np.ndarray:
  """Frame numbers int32 [rows, steps] of the chosen pieces: whole pieces end to
  end in rows of like length, filled up with -1 to a multiple of the window."""
  offsets = np.cumsum(lengths) - lengths
  queue = [(0, row) for row in range(rows)]
  pieces: list[list[np.ndarray]] = [[] for _ in range(rows)]
  for number in chosen[np.argsort(-lengths[chosen], kind="stable")]:
    used, row = heapq.heappop(queue)
    pieces[row].append(offsets[number] + np.arange(lengths[number]))
    heapq.heappush(queue, (used + int(lengths[number]), row))
  steps = -(-max(queue)[0] // window) * window
  table = np.full((rows, steps), -1, np.int32)
  for row, parts in zip(table, pieces, strict=True):
    joined = np.concatenate([np.zeros(0, np.int32), *parts])
    row[: len(joined)] = joined
  return table


def score(
  model: FrameModel,
  params: dict,
  heard: Heard,
  lengths: np.ndarray,
  *,
  pieces: Sequence[int] | None = None,
  batch_size: int = 16,
  window: int = 64,
) -> np.ndarray:
  """Nats of every frame of a split, float64 [F].

  Args:
    model: the network.
    params: its parameters.
    heard: the split, on a device for speed.
    lengths: [P], frames of each piece.
    pieces: which of them; all by default. Frames of others score zero.
    batch_size: B; pieces are scored side by side.
    window: T; only speed and memory depend on it.
  """
  chosen = np.arange(len(lengths)) if pieces is None else np.asarray(pieces)
  nll = np.zeros(len(heard.frames))
  if not len(chosen):
    return nll
  table = _lay_out(lengths, chosen, batch_size, window)
  carry = model.zero_carry(batch_size)
  parts = []
  for start in range(0, table.shape[1], window):
    index = np.maximum(table[:, start : start + window], 0)
    carry, part = _score_window(params, carry, heard, index, model=model)
    parts.append(part)
  scored = np.concatenate(jax.device_get(parts), axis=1)
  real = table >= 0
  nll[table[real]] = scored[real]
  return nll
