"""Does a model go on as the piece does? The first half of each held-out excerpt
is given, the second half compared with the real one.

Letters: W excerpts, T steps a window, P of the given half, K candidates, Z
latent dimensions.
"""

from collections.abc import Callable

import numpy as np

from musegen_jax.comparison import draws
from musegen_jax.comparison.hearing import Excerpt, Hearing
from musegen_jax.comparison.systems import Run
from musegen_jax.data import notes
from musegen_jax.data.codecs.codec import Codec
from musegen_jax.evaluation import bounds, latent_space
from musegen_jax.evaluation.baselines import Baseline
from musegen_jax.models import free_running, gaussian, language_model, vae
from musegen_jax.models.gaussian import Gaussian
from musegen_jax.sampling import decode, latent, markov

BATCH_SIZE = draws.BATCH_SIZE
# Candidates for the z of the given half; a multiple of bounds.CHUNK.
CANDIDATES = 64
# Onsets closer than this fall together, in seconds: a sixteenth at 120.
GRID_SECONDS = 0.125

Continue = Callable[[list[np.ndarray]], list[np.ndarray]]


def primers(excerpts: list[Excerpt], hearing: Hearing) -> list[np.ndarray]:
  """Tokens of the first half of each excerpt: half of the steps of a window,
  else half of the time."""
  if hearing.window:
    half = hearing.window // 2
    if hearing.codec.grid:
      half -= half % hearing.codec.grid.bar_steps
    return [each.tokens[:half] for each in excerpts]
  longest = hearing.seconds / 2 / hearing.codec.seconds_per_step
  steps = [np.cumsum(hearing.codec.grammar.steps[e.tokens]) for e in excerpts]
  return [
    each.tokens[: int(np.searchsorted(own, longest, side="right"))]
    for each, own in zip(excerpts, steps, strict=True)
  ]


def f1(
  continued: list[notes.Piece],
  real: list[notes.Piece],
  first_second: np.ndarray,
) -> np.ndarray:
  """Harmonic mean of precision and recall of the notes that begin after
  `first_second` [W], a note being right where one of its pitch begins in the
  same sixteenth (at 120 beats a minute): float64 [W], 0..1; nan where neither
  has a note there."""
  scores = np.full(len(real), np.nan)
  pairs = zip(continued, real, first_second, strict=True)
  for number, (mine, true, first) in enumerate(pairs):
    ours, theirs = _onsets(mine, first), _onsets(true, first)
    if ours or theirs:
      both = len(ours & theirs)
      scores[number] = 2 * both / (len(ours) + len(theirs))
  return scores


def _onsets(piece: notes.Piece, first: float) -> set[tuple[int, int]]:
  seconds = notes.tick_seconds(piece, piece.notes["start_tick"])
  places = np.rint(seconds / GRID_SECONDS).astype(np.int64)
  chosen = seconds >= first - 1e-9
  return set(
    zip(
      places[chosen].tolist(),
      piece.notes["pitch"][chosen].tolist(),
      strict=True,
    )
  )


def of_run(own: Run, hearing: Hearing, seed: int) -> Continue:
  """How an LSTM's or a VAE's run continues, at temperature 1."""
  codec = hearing.codec
  if own.config.model.kind == "vae":
    model = vae.from_config(own.config, codec)
    return lambda given: _vae(own.params, model, codec, given, hearing, seed)
  network = language_model.from_config(own.config.model, codec)
  params = language_model.step_params(own.params, own.config.model.dtype)

  def sample(indices: np.ndarray, given: list[np.ndarray]) -> list[np.ndarray]:
    return decode.sample(
      params,
      network,
      codec,
      indices=indices,
      primers=given,
      lengths=_lengths(hearing),
      strategy=draws.STRATEGY,
      seed=seed,
    )

  return lambda given: _in_batches(sample, given)


def of_ngram(best: Baseline, hearing: Hearing, seed: int) -> Continue:
  """How an n-gram continues."""

  def sample(indices: np.ndarray, given: list[np.ndarray]) -> list[np.ndarray]:
    return markov.sample(
      best.model,
      best.order,
      hearing.codec,
      indices=indices,
      primers=given,
      lengths=_lengths(hearing),
      strategy=draws.STRATEGY,
      seed=seed,
    )

  return lambda given: _in_batches(sample, given)


def again(given: list[np.ndarray]) -> list[np.ndarray]:
  """The first half said twice: what needs no model."""
  return [np.concatenate([each, each]) for each in given]


def _lengths(hearing: Hearing) -> decode.Lengths:
  return draws.lengths(hearing.seconds / 2)


def _in_batches(
  sample: Callable[[np.ndarray, list[np.ndarray]], list[np.ndarray]],
  given: list[np.ndarray],
) -> list[np.ndarray]:
  said = []
  for start in range(0, len(given), BATCH_SIZE):
    # Always a whole batch: compiled once, and rounded alike.
    at = np.minimum(np.arange(start, start + BATCH_SIZE), len(given) - 1)
    rows = sample(at, [given[row] for row in at])
    said += rows[: len(given) - start]
  return said


def _vae(
  params: dict,
  model: vae.VAE,
  codec: Codec,
  given: list[np.ndarray],
  hearing: Hearing,
  seed: int,
) -> list[np.ndarray]:
  """z by sampling importance resampling (Rubin 1987), then the decoder.

  Candidates are drawn from the posterior of the given half said twice, and one
  is chosen by p(given | z) p(z) / q(z), so that z follows p(z | given) as
  candidates grow. The decoder hears the given half and goes on from there.
  """
  first = np.stack(given)
  length = hearing.window
  doubled = np.tile(first, (1, -(-length // first.shape[1])))[:, :length]
  rest = length - first.shape[1]
  posterior = latent_space.encode(params, model, doubled)
  numbers = np.arange(len(first))
  padded = np.pad(first, ((0, 0), (0, rest)), constant_values=codec.pad)
  found = bounds.sample(
    params,
    model,
    codec,
    padded,
    posterior,
    numbers,
    samples=CANDIDATES,
    seed=seed,
  )
  rng = np.random.default_rng(seed)
  gumbel = rng.gumbel(size=found.log_ratio.shape)
  chosen = (found.log_likelihood + found.log_ratio + gumbel).argmax(0)
  z = _candidates(posterior, chosen, seed, model.latent_size)
  forced = np.pad(first, ((0, 0), (0, rest)), constant_values=free_running.FREE)
  rows = latent.Rows(
    z, forced.astype(np.int32), numbers, np.zeros_like(numbers)
  )
  decoded = latent.decode(
    params,
    model,
    codec,
    rows,
    wanted=np.ones(len(first), bool),
    strategy=draws.STRATEGY,
    seed=seed,
    batch_size=BATCH_SIZE,
  )
  return [tokens for _, tokens in decoded]


def _candidates(
  posterior: Gaussian, chosen: np.ndarray, seed: int, size: int
) -> np.ndarray:
  """The chosen candidate of each excerpt [W]: z, float32 [W, Z]."""
  numbers = np.arange(len(chosen))
  noise = np.zeros((len(chosen), size), np.float32)
  for chunk in range(CANDIDATES // bounds.CHUNK):
    drawn = np.asarray(bounds.noise_of(seed, numbers, chunk, size))
    own = chosen // bounds.CHUNK == chunk
    noise[own] = drawn[chosen[own] % bounds.CHUNK, own]
  return np.asarray(gaussian.sample(posterior, noise))
