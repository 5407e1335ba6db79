"""Exact log-likelihood of whole pieces, state carried from their beginning.

Letters: B rows, T window, P pieces.
"""

import dataclasses
import functools
from collections.abc import Sequence

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
  lengths: jax.Array,
  *,
  model: LanguageModel,
) -> tuple[LSTMCarry, jax.Array, jax.Array]:
  logits, carry, _ = model.apply({"params": params}, tokens[:, :-1], carry)
  targets = tokens[:, 1:]
  nll = optax.softmax_cross_entropy_with_integer_labels(logits, targets)
  mask = jnp.arange(targets.shape[1])[None, :] < lengths[:, None]
  correct = (logits.argmax(-1) == targets) & mask
  return carry, (nll * mask).sum(1), correct.sum(1)


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
  # Pieces of like length share a batch, so that few steps are padding.
  lengths = np.diff(corpus.offsets) - 1
  chosen = chosen[np.argsort(-lengths[chosen], kind="stable")]
  batches = [
    chosen[i : i + batch_size] for i in range(0, len(chosen), batch_size)
  ]
  pending = []
  for number, ids in enumerate(
    tqdm.tqdm(batches, "score", unit=" batches", disable=not progress, delay=2)
  ):
    params = params_by_device[number % len(params_by_device)]
    device = next(iter(jax.tree.leaves(params)[0].devices()))
    carry = jax.device_put(model.zero_carry(batch_size), device)
    steps = -(-lengths[ids].max() // window) * window
    padded = np.full((batch_size, steps + 1), codec.pad, np.int32)
    left = np.zeros(batch_size, np.int32)
    for row, index in enumerate(ids):
      padded[row, : lengths[index] + 1] = corpus.piece(index)
      left[row] = lengths[index]
    for start in range(0, steps, window):
      chunk = padded[:, start : start + window + 1]
      carry, nll, correct = _score_window(
        params,
        carry,
        jax.device_put(chunk, device),
        jax.device_put(left - start, device),
        model=model,
      )
      pending.append((ids, nll, correct))
  scores = Scores(*np.zeros((3, len(corpus))))
  for ids, nll, correct in jax.device_get(pending):
    scores.nll[ids] += nll[: len(ids)]
    scores.correct[ids] += correct[: len(ids)]
  scores.events[chosen] = lengths[chosen]
  return scores
