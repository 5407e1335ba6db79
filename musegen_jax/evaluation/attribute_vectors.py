"""Directions of latent space that raise or lower an attribute of the music.

The usual vector, the mean z of windows with much of an attribute less that of
windows with little (Roberts et al. 2018, section 5.4), tells what goes with an
attribute, not what a decoder makes of the move: on two-bar melodies it raised
the density in 98 % of windows and the mean interval in 26 %. So the decoder is
asked: windows are moved at random, decoded and compared, and the vector climbs
along the estimated gradient (evolution strategies with antithetic pairs,
Salimans et al. 2017, section 2) until nearly all windows move as asked.
Raising and lowering have a vector each: what widens intervals when added widens
them when subtracted too.

Letters: W windows, N windows of one step, T steps, A attributes, Z latent
dimensions.
"""

from collections.abc import Callable

import numpy as np
import tqdm

from musegen_jax.data.codecs.codec import Codec
from musegen_jax.evaluation import attributes, decoding
from musegen_jax.models.vae import VAE

SIGNS = (1, -1)
# Attributes that are shares cannot leave 0..1, nor the others fall below 0.
LOWEST = {"note_density": 0.0, "mean_interval": 0.0, "syncopation": 0.0}
LOWEST |= {"fraction_in_key": 0.0}
HIGHEST = {"fraction_in_key": 1.0}

# One climb: windows a step, the spread of the random moves, the length of a
# step, and when to stop. z has a spread of about 1.
WINDOWS, SPREAD, STEP, MAX_STEPS = 1024, 0.6, 0.75, 8
ENOUGH = 0.97
# Changes beyond a third of an attribute's deviation count little more: what is
# sought is that every window moves, not that a few move far.
SHARPNESS = 3.0


def right_way(
  before: np.ndarray, after: np.ndarray, name: str, sign: int
) -> tuple[np.ndarray, np.ndarray]:
  """Which windows moved an attribute as asked, and which had room to.

  Args:
    before: [N], of the reconstructions; nan where undefined.
    after: [N], of what was decoded elsewhere.
    name: of the attribute.
    sign: the direction, 1 or -1.

  Returns:
    bool [N] twice; no change and undefined are no move.
  """
  limit = (HIGHEST if sign > 0 else LOWEST).get(name, sign * np.inf)
  with np.errstate(invalid="ignore"):
    return sign * (after - before) > 0, sign * (limit - before) > 0


def find(
  params: dict,
  model: VAE,
  codec: Codec,
  tokens: np.ndarray,
  means: np.ndarray,
  seed: int,
) -> np.ndarray:
  """The vectors of every attribute, float32 [A, 2, Z]: adding the first raises
  it, adding the second lowers it. Zeros where an attribute does not vary.

  Args:
    params: of the model.
    model: the network.
    codec: its codec.
    tokens: windows [W, T], of the training split.
    means: their posterior means [W, Z].
    seed: of the random moves.
  """
  pads = tokens == codec.pad

  def decode(z: np.ndarray, rows: np.ndarray) -> np.ndarray:
    said = decoding.decode(params, model, codec, z, pads[rows])
    return attributes.compute(said, codec)

  before = decode(means, np.arange(len(means)))
  spread = np.ma.masked_invalid(before).std(0).filled(0)
  vectors = np.zeros((len(attributes.NAMES), 2, model.latent_size), np.float32)
  asked = [
    (column, side) for column in np.flatnonzero(spread > 0) for side in (0, 1)
  ]
  for column, side in tqdm.tqdm(asked, "attribute vectors", delay=2):
    vectors[column, side] = _climb(
      decode,
      means,
      before[:, column],
      spread[column],
      column,
      SIGNS[side],
      np.random.default_rng((seed, column, side)),
    )
  return vectors


def _climb(
  decode: Callable[[np.ndarray, np.ndarray], np.ndarray],
  means: np.ndarray,
  before: np.ndarray,
  spread: float,
  column: int,
  sign: int,
  rng: np.random.Generator,
) -> np.ndarray:
  """The vector [Z] along which most windows move as asked, of all tried."""
  name = attributes.NAMES[column]
  vector = np.zeros(means.shape[1], np.float32)
  best, best_share = vector, 0.0
  for _ in range(MAX_STEPS):
    rows = rng.permutation(len(means))[:WINDOWS]
    moves = rng.standard_normal((len(rows), len(vector))).astype(np.float32)
    gains = []
    for side in SIGNS:
      z = means[rows] + vector[None] + side * SPREAD * moves
      change = sign * (decode(z, rows)[:, column] - before[rows]) / spread
      # A window that lost all its notes is the worst that can happen.
      change = np.where(np.isfinite(change), change, -1.0)
      gains.append(np.tanh(SHARPNESS * change))
    gradient = ((gains[0] - gains[1])[:, None] * moves).mean(0)
    length = float(np.linalg.norm(gradient))
    if not length:
      break
    vector = vector + np.float32(STEP / length) * gradient.astype(np.float32)
    after = decode(means[rows] + vector[None], rows)[:, column]
    moved, room = right_way(before[rows], after, name, sign)
    share = (moved & room).sum() / max(room.sum(), 1)
    if share > best_share:
      best, best_share = vector, share
    if share >= ENOUGH:
      break
  return best
