"""Pieces of unequal length, drawn side by side: chunk after chunk of tokens, by
a batch that shrinks.

Letters: B rows, R rows that are left, C tokens a chunk.
"""

import functools
import itertools
from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from musegen_jax.sampling import ahead

CHUNK = 256
# Pieces that are done leave the batch when a quarter of it holds the rest: few
# sizes, for each is compiled. Below this it is not worth it.
MIN_ROWS, SHRINK = 4, 4


@functools.partial(jax.jit, static_argnames="size")
def _uniforms(
  seed: jax.Array, indices: jax.Array, chunk: jax.Array, size: int
) -> jax.Array:
  """[C, B] in [0, 1), addressed by (seed, index of the piece, chunk)."""

  def row(index: jax.Array) -> jax.Array:
    key = jax.random.fold_in(jax.random.key(seed), index)
    return jax.random.uniform(jax.random.fold_in(key, chunk), (size,))

  return jax.vmap(row, out_axes=1)(indices)


def run(
  advance: Callable[[Any, jax.Array, jax.Array], tuple[Any, jax.Array]],
  state: Any,
  done: Callable[[Any], jax.Array],
  take: Callable[[Any, np.ndarray], Any],
  indices: np.ndarray,
  primers: Sequence[np.ndarray],
  seed: int,
) -> list[np.ndarray]:
  """Calls `advance` chunk by chunk until every row is done; rows that are leave
  the batch, so that one long piece does not hold the others' time.

  Args:
    advance: (state, uniforms [C, R], forced [C, R]) -> (state, tokens [C, R]),
      for the R rows that are left.
    state: before the first token.
    done: state -> bool [R].
    take: (state, which [N]) -> the state of those rows alone.
    indices: [B] numbers of the pieces, the address of their randomness.
    primers: B token arrays to be forced.
    seed: the rest of the address.

  Returns:
    B arrays of tokens, each as long as its row was in the batch.
  """
  rows = np.arange(len(primers))
  said: list[list[np.ndarray]] = [[] for _ in primers]
  for number in itertools.count():
    ahead.stop_if_unwanted()
    forced = np.full((CHUNK, len(rows)), -1, np.int32)
    for column, row in enumerate(rows):
      part = primers[row][number * CHUNK : (number + 1) * CHUNK]
      forced[: len(part), column] = part
    uniforms = _uniforms(seed, indices[rows], number, CHUNK)
    state, tokens = advance(state, uniforms, jnp.asarray(forced))
    finished, tokens = jax.device_get((done(state), tokens))
    for row, column in zip(rows, np.asarray(tokens).T, strict=True):
      said[row].append(column)
    left = int((~np.asarray(finished)).sum())
    if not left:
      return [np.concatenate(parts) for parts in said]
    size = _smaller(len(rows), left)
    if size < len(rows):
      # Those that go on, in their order; done ones fill up the size.
      which = np.argsort(finished, kind="stable")[:size]
      rows, state = rows[which], take(state, which)


def _smaller(rows: int, left: int) -> int:
  """The size of batch that holds those left, where few sizes are used."""
  while rows // SHRINK >= max(left, MIN_ROWS):
    rows //= SHRINK
  return rows
