"""Windows of music from latent vectors, and pieces from windows.

Letters: B rows, N rows in all, T steps, Z latent dimensions.
"""

import dataclasses
import fractions
import functools
from collections.abc import Iterator

import jax
import numpy as np
import tqdm

from musegen_jax.data import notes
from musegen_jax.data.codecs.codec import Codec, Grid
from musegen_jax.evaluation import decoding, latent_space
from musegen_jax.models import free_running, vae
from musegen_jax.sampling import ahead
from musegen_jax.sampling.strategies import Strategy

# Randomness is addressed by (seed, piece, window of the piece, use).
LATENT, OUTPUT = range(2)
# Rows of noise drawn at once, always as many: another shape might round
# differently.
CHUNK = 256


@dataclasses.dataclass(frozen=True)
class Rows:
  """What is to be decoded: N windows, those of a piece together.

  Attributes:
    z: float32 [N, Z].
    forced: int32 [N, T] from `free` or `same_bars`.
    pieces: int64 [N], the piece that each row belongs to.
    parts: int64 [N], number of the row in its piece; with seed and piece the
      address of its randomness.
  """

  z: np.ndarray
  forced: np.ndarray
  pieces: np.ndarray
  parts: np.ndarray


@functools.partial(jax.jit, static_argnames=("use", "size"))
def _random(
  seed: jax.Array, pieces: jax.Array, parts: jax.Array, use: int, size: int
) -> jax.Array:
  """[B, size]: standard normal for LATENT, uniform in [0, 1) for OUTPUT."""
  draw = jax.random.normal if use == LATENT else jax.random.uniform

  def row(piece: jax.Array, part: jax.Array) -> jax.Array:
    key = jax.random.fold_in(jax.random.key(seed), piece)
    key = jax.random.fold_in(jax.random.fold_in(key, part), use)
    return draw(key, (size,))

  return jax.vmap(row)(pieces, parts)


def noise(
  seed: int, pieces: np.ndarray, parts: np.ndarray, size: int
) -> np.ndarray:
  """Standard normal float32 [N, size], one row for each window `parts` [N] of
  `pieces` [N]."""
  rows = np.zeros((len(pieces), size), np.float32)
  for start in range(0, len(pieces), CHUNK):
    at = np.minimum(np.arange(start, start + CHUNK), len(pieces) - 1)
    drawn = _random(seed, pieces[at], parts[at], LATENT, size)
    rows[start : start + CHUNK] = np.asarray(drawn)[: len(pieces) - start]
  return rows


def free(count: int, length: int) -> np.ndarray:
  """int32 [N, T]: `count` windows of which every step is to be chosen."""
  return np.full((count, length), free_running.FREE, np.int32)


def same_bars(tokens: np.ndarray, codec: Codec) -> np.ndarray:
  """int32 [N, T]: windows with bars as long as those of tokens [N, T]."""
  return np.where(tokens == codec.pad, codec.pad, free_running.FREE).astype(
    np.int32
  )


def decode(
  params: dict,
  model: vae.VAE,
  codec: Codec,
  rows: Rows,
  *,
  wanted: np.ndarray,
  strategy: Strategy,
  seed: int,
  batch_size: int,
) -> Iterator[tuple[int, np.ndarray]]:
  """Decodes latent vectors, batch by batch.

  Args:
    params: of the VAE.
    model: the network.
    codec: its codec.
    rows: N windows.
    wanted: bool [N], those to decode; others stand in for the rest of their
      batch, so that each comes out the same whoever asks.
    strategy: how tokens are drawn.
    seed: of all rows.
    batch_size: B.

  Yields:
    number and tokens int16 [T] of each wanted row, in order.
  """
  may_say = decoding.allowed(codec)
  numbers = np.unique(wanted.nonzero()[0] // batch_size)

  def make(device: jax.Device) -> ahead.Compute:
    own = jax.device_put(params, device)

    def compute(number: int) -> np.ndarray:
      # Always a whole batch: another shape might round differently.
      first = number * batch_size
      at = np.minimum(first + np.arange(batch_size), len(wanted) - 1)
      forced, address = rows.forced[at], (rows.pieces[at], rows.parts[at])
      tokens = free_running.decode(
        own,
        rows.z[at],
        forced,
        _random(seed, *address, OUTPUT, forced.shape[1]),
        may_say,
        model=model,
        choose=strategy,
      )
      return np.asarray(tokens).astype(np.int16)

    return compute

  batches = ahead.in_order(make, numbers)
  shown = tqdm.tqdm(
    batches, "decode", total=len(numbers), unit=" batches", delay=2
  )
  for number, tokens in zip(numbers, shown, strict=True):
    first = number * batch_size
    for row in wanted[first : first + batch_size].nonzero()[0]:
      yield int(first + row), tokens[row]


def join(codec: Codec, windows: list[np.ndarray]) -> notes.Piece:
  """The piece that windows [T] say one after another, at 120 beats a minute.

  Each is read on its own: no note sounds beyond the end of its window. Bars
  have the meter of their length, for codecs that know bars.
  """
  tables, meters, start_tick, last = [], [], 0, None
  for tokens in windows:
    piece = codec.decode(tokens)
    piece.notes["start_tick"] += start_tick
    tables.append(piece.notes)
    if codec.grid:
      over = _meter(tokens, codec, codec.grid)
      if over != last:
        meters.append((start_tick, *over))
      last = over
    ticks_per_second = 2 * piece.ticks_per_beat
    start_tick += round(codec.duration_seconds(tokens) * ticks_per_second)
  table = np.concatenate(tables)
  return notes.Piece(
    piece.ticks_per_beat, table, meters=np.array(meters, notes.METER)
  )


def _meter(tokens: np.ndarray, codec: Codec, grid: Grid) -> tuple[int, int]:
  """Numerator and denominator of a window's bars, quarters where they fit."""
  steps = int((tokens[: grid.bar_steps] != codec.pad).sum())
  wholes = fractions.Fraction(steps, 4 * grid.steps_per_beat)
  denominator = max(4, wholes.denominator)
  return int(wholes * denominator), denominator


def preview(
  params: dict, model: vae.VAE, codec: Codec, length: int, seed: int, step: int
) -> notes.Piece:
  """One window of T = `length` steps from the prior at temperature 1.

  It is addressed by (seed, step), and may hold no note at all.
  """
  pieces, parts = np.array([step]), np.array([0])
  noise_of_step = noise(seed, pieces, parts, model.latent_size)
  z = latent_space.draw(None, noise_of_step)
  [(_, tokens)] = decode(
    params,
    model,
    codec,
    Rows(z, free(1, length), pieces, parts),
    wanted=np.array([True]),
    strategy=Strategy(),
    seed=seed,
    batch_size=1,
  )
  return join(codec, [tokens])
