"""Batches as a pure function of the step, and a thread that makes them early.

The pieces of a split, in an order drawn for each epoch, form one circle of
tokens that is cut into windows. Letters: B batch, T window, P pieces.
"""

import dataclasses
import functools
import queue
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TypeVar

import numpy as np

from musegen_jax.data.codecs.codec import Codec
from musegen_jax.data.corpus import Corpus

Batch = dict[str, np.ndarray]
Item = TypeVar("Item")
Made = TypeVar("Made")


def steps_per_epoch(corpus: Corpus, batch_size: int, window: int) -> int:
  """Steps after which every token has been seen about once; at least 1."""
  return max(1, len(corpus.tokens) // (batch_size * window))


@dataclasses.dataclass(frozen=True)
class _Layout:
  """The circle of one epoch. All P pieces come n times, so that a window may
  run past its end.

  Attributes:
    begins: [nP] positions where pieces begin.
    ends: [nP] where they end.
    sources: [nP], what to add to a position in a piece to find its token.
    shifts: [nP] int16, semitones.
    length: of the circle, once round.
    rotation: of the first window.
    windows: their order.
  """

  begins: np.ndarray
  ends: np.ndarray
  sources: np.ndarray
  shifts: np.ndarray
  length: int
  rotation: int
  windows: np.ndarray


def _make_layout(
  variants: Sequence[Corpus],
  codec: Codec,
  windows: int,
  window: int,
  transpose_semitones: int,
  seed: int,
) -> Callable[[int], _Layout]:
  """Returns `layout(epoch)`."""
  plain = variants[0]
  bases = np.cumsum([0] + [len(corpus.tokens) for corpus in variants])
  starts = np.stack(
    [c.offsets[:-1] + b for c, b in zip(variants, bases, strict=False)]
  )
  lengths = np.stack([np.diff(corpus.offsets) for corpus in variants])
  bounds = np.array(
    [codec.shift_bounds(plain.piece(i)) for i in range(len(plain))]
  )
  low, high = np.clip(bounds, -transpose_semitones, transpose_semitones).T

  @functools.lru_cache(maxsize=2)
  def layout(epoch: int) -> _Layout:
    rng = np.random.default_rng((seed, epoch))
    order = rng.permutation(len(plain))
    variant = rng.integers(0, len(variants), len(plain))[order]
    shifts = rng.integers(low, high + 1)[order]
    ends = np.cumsum(lengths[variant, order])
    begins = ends - lengths[variant, order]
    length = ends[-1]
    rotation = rng.integers(0, length)
    sources = starts[variant, order] - begins
    turns = np.arange(2 + window // length)[:, None] * length
    return _Layout(
      begins=(begins + turns).ravel(),
      ends=(ends + turns).ravel(),
      sources=(sources - turns).ravel(),
      shifts=np.tile(shifts, len(turns)).astype(np.int16),
      length=int(length),
      rotation=int(rotation),
      windows=rng.permutation(windows),
    )

  return layout


def _runs(
  ends: np.ndarray, first: np.ndarray, last: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
  """Cuts the stretches first .. last - 1 [B] of the circle where pieces end.

  Returns:
    For each part, those of a stretch together: number of its piece, the
    position it starts at, and its length.
  """
  low = np.searchsorted(ends, first, side="right")
  high = np.searchsorted(ends, last, side="left")
  counts = high - low + 1
  begun = np.cumsum(counts) - counts
  piece = np.repeat(low - begun, counts) + np.arange(counts.sum())
  start = np.maximum(np.append(0, ends)[piece], np.repeat(first, counts))
  stop = np.minimum(ends[piece], np.repeat(last, counts))
  return piece, start, stop - start


def _gather(
  flat: np.ndarray,
  layout: _Layout,
  window_ids: np.ndarray,
  window: int,
  codec: Codec,
) -> tuple[np.ndarray, np.ndarray | None]:
  """Windows [B] of the circle with the token that follows: tokens, and with a
  cycle the place of each in its piece, int32 [B, T + 1]."""
  first = (window_ids * window + layout.rotation) % layout.length
  piece, start, lengths = _runs(layout.ends, first, first + window + 1)
  # Numbers are made for each run of tokens in one piece, not for each token:
  # that would take up to three times as long.
  offsets = np.cumsum(lengths) - lengths
  number = np.arange(len(first) * (window + 1))
  at = np.repeat(layout.sources[piece] + start - offsets, lengths) + number
  tokens = flat[at]
  tokens += np.repeat(layout.shifts[piece], lengths) * codec.is_pitch[tokens]
  tokens = tokens.astype(np.int32).reshape(len(first), -1)
  if not codec.cycle:
    return tokens, None
  begun = start - layout.begins[piece] - offsets
  place = np.repeat(begun, lengths) + number
  return tokens, place.astype(np.int32).reshape(len(first), -1)


def make_batch_at(
  variants: Sequence[Corpus],
  codec: Codec,
  *,
  batch_size: int,
  window: int,
  carry_state: bool,
  transpose_semitones: int,
  seed: int,
  rows: slice = slice(None),
) -> Callable[[int], Batch]:
  """Returns `batch_at(step)`, pure in (seed, step).

  Args:
    variants: the same pieces encoded at different time stretches, the plain
      one first; each piece of an epoch uses one of them.
    codec: their codec.
    batch_size: B, over all processes.
    window: T, tokens a row.
    carry_state: rows of consecutive steps continue each other (truncated
      back-propagation through time); otherwise windows are shuffled and each
      starts from an empty state.
    transpose_semitones: each piece of an epoch is moved by -k..k, as far as
      its pitches allow.
    seed: of the order, the shifts and the stretches.
    rows: the rows of the batch this process needs.

  Returns:
    A function to dicts of inputs and targets [B, T] int32, mask [B, T]
    float32 (1 where the target is to be predicted), reset [B, T] bool (the
    state is emptied before that input); with a cycle also position [B, T]
    int32 (number of the target in its piece, begin not counted).
  """
  plain = variants[0]
  epoch_steps = steps_per_epoch(plain, batch_size, window)
  flat = np.concatenate([corpus.tokens for corpus in variants])
  layout = _make_layout(
    variants,
    codec,
    epoch_steps * batch_size,
    window,
    transpose_semitones,
    seed,
  )

  def batch_at(step: int) -> Batch:
    epoch, index = divmod(step, epoch_steps)
    circle, row = layout(epoch), np.arange(batch_size)[rows]
    if carry_state:
      window_ids = row * epoch_steps + index
    else:
      window_ids = circle.windows[index * batch_size + row]
    tokens, place = _gather(flat, circle, window_ids, window, codec)
    inputs, targets = tokens[:, :-1], tokens[:, 1:]
    reset = inputs == codec.begin
    if not carry_state or index == 0:
      reset[:, 0] = True
    batch = {
      "inputs": inputs,
      "targets": targets,
      "mask": (targets != codec.begin).astype(np.float32),
      "reset": reset,
    }
    if place is not None:
      batch["position"] = place[:, :-1]
    return batch

  return batch_at


def prefetch(
  make: Callable[[Item], Made], items: Iterable[Item], depth: int = 2
) -> Iterator[Made]:
  """Yields make(item) of every item in turn, made by a thread ahead of time.

  Args:
    make: what the thread does; an error in it is raised here.
    items: read by the thread, and no faster than it makes.
    depth: how many made ones may wait, beside the one that is being made.
  """
  ready: queue.Queue = queue.Queue(depth)
  stop = threading.Event()

  def put(made: Made | BaseException | None, ended: bool) -> None:
    while not stop.is_set():
      try:
        return ready.put((made, ended), timeout=0.1)
      except queue.Full:
        continue

  def work() -> None:
    try:
      for item in items:
        if stop.is_set():
          return
        put(make(item), ended=False)
      put(None, ended=True)
    except BaseException as error:  # handed to the consumer, who raises it
      put(error, ended=True)

  threading.Thread(target=work, name="prefetch", daemon=True).start()
  try:
    while True:
      made, ended = ready.get()
      if ended and made is not None:
        raise made
      if ended:
        return
      yield made
  finally:
    stop.set()
