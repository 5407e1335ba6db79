"""Voices drawn for a given soprano: left to right, then resampled in blocks.

A language model of interleaved voices says p(x), and with the soprano S given
p(A, T, B | S). A pass from left to right does not draw from it: what it writes
below a note knows nothing of the notes to come. So every sweep cuts the piece
into blocks and draws each of them again by `block.resample`, a Markov chain
that leaves p(A, T, B | S)^(1/t) as it is. The temperature t falls to its last
value over the first half of the sweeps; Huang et al. 2017 ("Counterpoint by
Convolution") anneal the size of the block in its stead.

Letters: B pieces, M candidates, K tokens a block at most.
"""

import functools
from collections.abc import Iterable, Iterator

import jax
import jax.numpy as jnp
import numpy as np

from musegen_jax.data.codecs.codec import Codec
from musegen_jax.models import language_model
from musegen_jax.sampling import block as block_lib
from musegen_jax.sampling.block import Block

CANDIDATES = 16
# Rows of the score (sixteenths) of a block, drawn for each sweep.
BLOCK_ROWS = (4, 8, 16)
# Two bars: how far what follows a block is heard. Beyond, hardly anything
# depends on the block, and a sweep would take the square of the length.
HORIZON_ROWS = 32
# Of the first sweep, as a multiple of the last one's temperature. With twice as
# much, ten sweeps did not suffice to find back to likely voices.
FIRST_TEMPERATURE = 1.4
# Arrays are as long as a multiple of it, so that few lengths are compiled.
LENGTH_UNIT = 256


@functools.partial(jax.jit, static_argnames=("count", "candidates"))
def _uniforms(
  seed: jax.Array,
  indices: jax.Array,
  sweep: int,
  start: int,
  *,
  count: int,
  candidates: int,
) -> tuple[jax.Array, jax.Array]:
  """[K, B, M] and [B] in [0, 1), addressed by (seed, piece, sweep, block)."""

  def row(index: jax.Array) -> tuple[jax.Array, jax.Array]:
    key = jax.random.key(seed)
    for part in (index, sweep, start):
      key = jax.random.fold_in(key, part)
    of_tokens, of_choice = jax.random.split(key)
    shape = (count, candidates)
    return (
      jax.random.uniform(of_tokens, shape),
      jax.random.uniform(of_choice),
    )

  return jax.vmap(row, out_axes=(1, 0))(indices)


def sweep_temperature(sweep: int, sweeps: int, temperature: float) -> float:
  """Of sweep 0..sweeps - 1: falls geometrically to `temperature`, which the
  second half of them has."""
  falling = sweeps // 2
  share = min(1.0, sweep / falling) if falling else 1.0
  return temperature * FIRST_TEMPERATURE ** (1 - share)


def blocks(
  rng: np.random.Generator, rows: int, voices: int, horizon_rows: int
) -> Iterator[Block]:
  """The blocks of a sweep over `rows` rows of the score, one after another;
  half of them free all voices but the first, the others one of these alone."""
  size = int(rng.choice(BLOCK_ROWS))
  bounds = np.arange(-rng.integers(size), rows + size, size).clip(0, rows)
  bounds = np.unique(bounds)
  for start, stop in zip(bounds[:-1], bounds[1:], strict=True):
    free = np.arange(voices) > 0
    if voices > 2 and rng.random() < 0.5:
      free = np.arange(voices) == rng.integers(1, voices)
    # The end is heard as well.
    last = min(stop + horizon_rows, rows) * voices
    last += stop + horizon_rows >= rows
    yield Block(int(start) * voices, int(stop) * voices, int(last), free)


def harmonise(
  params: language_model.StepParams,
  model: language_model.LanguageModel,
  codec: Codec,
  soprano: np.ndarray,
  *,
  indices: np.ndarray,
  sweeps: int,
  temperature: float,
  seed: int,
  candidates: int = CANDIDATES,
  horizon_rows: int = HORIZON_ROWS,
) -> tuple[np.ndarray, np.ndarray]:
  """Draws the other voices of pieces with one soprano.

  Args:
    params: from `language_model.step_params`.
    model: the network.
    codec: of interleaved voices.
    soprano: tokens [rows] of the first voice, no hold before a note.
    indices: [B] numbers of the pieces; with `seed` they address all randomness.
    sweeps: over the whole piece.
    temperature: of the last sweeps.
    seed: of all pieces.
    candidates: M.
    horizon_rows: rows after a block that decide about it.

  Returns:
    Tokens int16 [B, rows * voices] after the pass from left to right, and
    after the sweeps.
  """
  voices, batch, rows = codec.grammar.voices, len(indices), len(soprano)
  total, count = rows * voices, max(BLOCK_ROWS) * voices
  length = -(-(total + 1 + count) // LENGTH_UNIT) * LENGTH_UNIT
  piece = np.full(length, codec.pad, np.int32)
  piece[:total:voices], piece[total] = soprano, codec.end
  rules = block_lib.rules(codec)
  begin = block_lib.begin(model, codec, batch)

  def run(
    tokens: jax.Array,
    found: Iterable[Block],
    sweep: int,
    candidates: int,
    temperature: float,
  ) -> jax.Array:
    path = begin
    for block in found:
      address = (seed, indices, sweep, block.start)
      drawn = _uniforms(*address, count=count, candidates=candidates)
      tokens, path = block_lib.resample(
        params,
        rules,
        tokens,
        path,
        block,
        *drawn,
        temperature=jnp.float32(temperature),
        keep=jnp.int32(sweep > 0),
      )
    return tokens

  tokens = jnp.asarray(np.repeat(piece[:, None], batch, axis=1))
  # Sweep 0 has nothing to keep: from left to right, a candidate alone.
  stops = [min(start + count, total) for start in range(0, total, count)]
  free = np.arange(voices) > 0
  first = [
    Block(start, stop, stop, free)
    for start, stop in zip(range(0, total, count), stops, strict=True)
  ]
  tokens = before = run(tokens, first, 0, 1, temperature)
  for sweep in range(1, sweeps + 1):
    rng = np.random.default_rng((seed, sweep))
    found = blocks(rng, rows, voices, horizon_rows)
    now = sweep_temperature(sweep - 1, sweeps, temperature)
    tokens = run(tokens, found, sweep, candidates, now)
  before, after = jax.device_get((before, tokens))
  return tuple(np.asarray(a[:total].T, np.int16) for a in (before, after))
