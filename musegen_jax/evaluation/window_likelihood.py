"""Exact log-likelihood of windows under a language model.

Each window is read alone, from begin and an empty state. Letters: W windows,
T steps, B batch, P pieces.
"""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import optax

from musegen_jax.data import windows
from musegen_jax.data.codecs.codec import Codec
from musegen_jax.evaluation.likelihood import Scores
from musegen_jax.models.language_model import LanguageModel


@functools.partial(jax.jit, static_argnames="model")
def _score_batch(
  params: dict,
  inputs: jax.Array,
  targets: jax.Array,
  mask: jax.Array,
  *,
  model: LanguageModel,
) -> tuple[jax.Array, jax.Array]:
  carry = model.zero_carry(len(inputs))
  logits, _, _ = model.apply({"params": params}, inputs, carry)
  nll = optax.softmax_cross_entropy_with_integer_labels(logits, targets)
  correct = (logits.argmax(-1) == targets) & mask
  # Not a product: a pad may have no probability at all.
  return jnp.where(mask, nll, 0).sum(1), correct.sum(1)


def score(
  model: LanguageModel,
  params: dict,
  tokens: np.ndarray,
  codec: Codec,
  *,
  batch_size: int = 256,
) -> Scores:
  """Scores every step of windows [W, T] that is not pad; sums per window."""
  parts = []
  for start in range(0, len(tokens), batch_size):
    rows = tokens[start : start + batch_size].astype(np.int32)
    # Always a whole batch: compiled once, and rounded alike.
    empty = np.full((batch_size - len(rows), rows.shape[1]), codec.pad)
    rows = np.concatenate([rows, empty.astype(np.int32)])
    mask = rows != codec.pad
    inputs = windows.decoder_inputs(rows, codec)
    parts.append(_score_batch(params, inputs, rows, mask, model=model))
  nll, correct = (
    np.concatenate(part)[: len(tokens)].astype(np.float64)
    for part in zip(*jax.device_get(parts), strict=True)
  )
  return Scores(nll, correct, (tokens != codec.pad).sum(1).astype(np.float64))


def per_piece(values: np.ndarray, piece: np.ndarray) -> np.ndarray:
  """Sums [P] of what windows have, values [W], over those of each piece; P
  counts the pieces that have a window."""
  return np.bincount(np.unique(piece, return_inverse=True)[1], values)
