"""Exact log-likelihood of whole pieces, state carried from their beginning.

Letters: B rows, T window, P pieces.
"""

import collections
import dataclasses
import functools
from collections.abc import Iterator, Sequence

import jax
import jax.numpy as jnp
import numpy as np
import optax
import tqdm

from musegen_jax.data.codecs.codec import Codec
from musegen_jax.data.corpus import Corpus
from musegen_jax.models.language_model import LanguageModel
from musegen_jax.models.lstm import LSTMCarry


@dataclasses.dataclass(frozen=True)
class Scores:
  """Sums per piece, float64 [P] each.

  Attributes:
    nll: nats of all events and the end.
    correct: events whose most likely guess was right.
    events: predicted tokens (begin is not predicted, the end is).
  """

  nll: np.ndarray
  correct: np.ndarray
  events: np.ndarray


@functools.partial(jax.jit, static_argnames="model")
def _score_window(
  params: dict,
  carry: LSTMCarry,
  tokens: jax.Array,
  start: jax.Array,
  *,
  model: LanguageModel,
) -> tuple[LSTMCarry, jax.Array, jax.Array]:
  inputs, targets = tokens[:, :-1], tokens[:, 1:]
  steps = start + jnp.arange(inputs.shape[1])[None, :]
  logits, carry, _ = model.apply(
    {"params": params},
    inputs,
    carry,
    position=jnp.broadcast_to(steps, inputs.shape),
  )
  nll = optax.softmax_cross_entropy_with_integer_labels(logits, targets)
  return carry, nll, logits.argmax(-1) == targets


def score(
  model: LanguageModel,
  params_by_device: Sequence[dict],
  corpus: Corpus,
  codec: Codec,
  *,
  pieces: Sequence[int] | None = None,
  batch_size: int = 32,
  window: int = 256,
  progress: bool = False,
) -> Scores:
  """Scores pieces of a corpus, each from its begin to its end token.

  Args:
    model: the network.
    params_by_device: its parameters, once for each device to be used.
    corpus: the pieces.
    codec: their codec.
    pieces: which of them; all by default. Others score zero.
    batch_size: B.
    window: T; only speed and memory depend on it.
    progress: whether to show a bar.
  """
  chosen = np.arange(len(corpus)) if pieces is None else np.asarray(pieces)
  scores = Scores(*np.zeros((3, len(corpus))))
  for index, nll, correct in token_scores(
    model,
    params_by_device,
    corpus,
    codec,
    chosen,
    batch_size=batch_size,
    window=window,
    progress=progress,
  ):
    scores.nll[index] = nll.sum(dtype=np.float64)
    scores.correct[index] = correct.sum()
    scores.events[index] = len(nll)
  return scores


def token_scores(
  model: LanguageModel,
  params_by_device: Sequence[dict],
  corpus: Corpus,
  codec: Codec,
  pieces: np.ndarray,
  *,
  batch_size: int = 32,
  window: int = 256,
  progress: bool = False,
) -> Iterator[tuple[int, np.ndarray, np.ndarray]]:
  """Number of each of `pieces`, nats of its events and of its end, and whether
  the most likely guess was right (float32 and bool [N]); the longest piece
  first. The arguments are those of `score`."""
  # Pieces of like length share a batch, so that few steps are padding.
  lengths = np.diff(corpus.offsets) - 1
  pieces = pieces[np.argsort(-lengths[pieces], kind="stable")]
  batches = [
    pieces[i : i + batch_size] for i in range(0, len(pieces), batch_size)
  ]
  pending = collections.deque()
  for number, ids in enumerate(
    tqdm.tqdm(batches, "score", unit=" batches", disable=not progress, delay=2)
  ):
    params = params_by_device[number % len(params_by_device)]
    device = next(iter(jax.tree.leaves(params)[0].devices()))
    carry = jax.device_put(model.zero_carry(batch_size), device)
    steps = -(-lengths[ids].max() // window) * window
    padded = np.full((batch_size, steps + 1), codec.pad, np.int32)
    for row, index in enumerate(ids):
      padded[row, : lengths[index] + 1] = corpus.piece(index)
    parts = []
    for start in range(0, steps, window):
      chunk = jax.device_put(padded[:, start : start + window + 1], device)
      carry, *part = _score_window(params, carry, chunk, start, model=model)
      parts.append(part)
    pending.append((ids, parts))
    # Fetched late, so that every device has work meanwhile.
    if len(pending) > len(params_by_device):
      yield from _rows(*pending.popleft(), lengths)
  for ids, parts in pending:
    yield from _rows(ids, parts, lengths)


def _rows(
  ids: np.ndarray, parts: list, lengths: np.ndarray
) -> Iterator[tuple[int, np.ndarray, np.ndarray]]:
  nll, correct = (
    np.concatenate(each, axis=1)
    for each in zip(*jax.device_get(parts), strict=True)
  )
  for row, index in enumerate(ids):
    yield index, nll[row, : lengths[index]], correct[row, : lengths[index]]
