"""How much of a window comes back: accuracies of teacher-forced and of
free-running reconstructions.

Letters: W windows, T steps, Z latent dimensions, V vocabulary.
"""

import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np

from musegen_jax.data.codecs.codec import Codec
from musegen_jax.data.windows import decoder_inputs
from musegen_jax.evaluation import decoding
from musegen_jax.models.vae import VAE


@dataclasses.dataclass(frozen=True)
class Accuracy:
  """Sums per window, float64 [W] each.

  Attributes:
    steps: steps that are not pad.
    onsets: of those, steps at which the original begins a note.
    correct: steps at which the reconstruction has the same token.
    correct_onsets: of those, steps at which the original begins a note.
  """

  steps: np.ndarray
  onsets: np.ndarray
  correct: np.ndarray
  correct_onsets: np.ndarray


def compare(
  tokens: np.ndarray, reconstructed: np.ndarray, codec: Codec
) -> Accuracy:
  """Of windows [W, T] against what was made of them [W, T]."""
  steps = tokens != codec.pad
  onsets = steps & (codec.grammar.opens[tokens] >= 0)
  same = steps & (tokens == reconstructed)
  counts = (steps, onsets, same, same & onsets)
  return Accuracy(*(count.sum(1).astype(np.float64) for count in counts))


@functools.partial(jax.jit, static_argnames="model")
def _most_likely(
  params: dict,
  z: jax.Array,
  inputs: jax.Array,
  allowed: jax.Array,
  *,
  model: VAE,
) -> jax.Array:
  logits = model.apply({"params": params}, z, inputs, method="decode")
  return jnp.where(allowed[None, None], logits, -jnp.inf).argmax(-1)


def teacher_forced(
  params: dict, model: VAE, codec: Codec, z: np.ndarray, tokens: np.ndarray
) -> Accuracy:
  """Most likely tokens where the decoder hears the original's last token,
  windows [W, T] from z [W, Z]. It flatters: most steps follow from the last."""
  allowed, parts = decoding.allowed(codec), []
  for start in range(0, len(z), decoding.BATCH):
    rows = np.arange(start, start + decoding.BATCH).clip(max=len(z) - 1)
    inputs = decoder_inputs(tokens[rows], codec)
    parts.append(_most_likely(params, z[rows], inputs, allowed, model=model))
  guessed = np.concatenate(jax.device_get(parts))[: len(z)]
  return compare(tokens, guessed, codec)


def free_running(
  params: dict, model: VAE, codec: Codec, z: np.ndarray, tokens: np.ndarray
) -> Accuracy:
  """Most likely tokens where the decoder hears its own, windows [W, T] from z
  [W, Z]: the original is known from z alone."""
  decoded = decoding.decode(params, model, codec, z, tokens == codec.pad)
  return compare(tokens, decoded, codec)


def other_piece(piece: np.ndarray, group: np.ndarray, seed: int) -> np.ndarray:
  """For each window another one at random, of the same group and of another
  piece: int64 [W], -1 where there is none.

  Args:
    piece: [W], number of each window's piece.
    group: [W], number of its group.
    seed: of the draws.
  """
  order = np.lexsort((piece, group))
  piece, group = piece[order], group[order]
  numbers = np.arange(len(order))

  def run(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """First and last + 1 of the run of equal values that each is in."""
    change = np.append(True, values[1:] != values[:-1])
    firsts = numbers[change]
    which = change.cumsum() - 1
    return firsts[which], np.append(firsts[1:], len(values))[which]

  group_first, group_end = run(group)
  # Pieces that lie on both sides of a group's border are two runs.
  first, end = run(group * (piece.max(initial=0) + 1) + piece)
  others = (group_end - group_first) - (end - first)
  draw = np.random.default_rng(seed).random(len(order))
  # The windows of the group after its own piece, and round to those before.
  step = (end - group_first) + (draw * others).astype(np.int64)
  found = group_first + step % (group_end - group_first)
  result = np.empty(len(order), np.int64)
  result[order] = np.where(others > 0, order[found], -1)
  return result


def strangers(piece: np.ndarray, length: np.ndarray, seed: int) -> np.ndarray:
  """For each window one of another piece, with as many steps where there is
  one: int64 [W], -1 throughout for windows of one piece alone."""
  alike = other_piece(piece, length, seed)
  anyone = other_piece(piece, np.zeros_like(length), seed)
  return np.where(alike >= 0, alike, anyone)
