"""The hole between the prior and where windows lie in latent space.

What the decoder never met in training it may decode badly, so a Gaussian
fitted to all posteriors is measured beside the prior. Letters: W windows, T
steps, F features, Z latent dimensions.
"""

import numpy as np

from musegen_jax.data.codecs.codec import Codec
from musegen_jax.evaluation import (
  attributes,
  decoding,
  latent_space,
  two_sample,
)
from musegen_jax.models import gaussian
from musegen_jax.models.gaussian import Gaussian
from musegen_jax.models.vae import VAE

# Windows of the split that are looked at, half as themselves.
MAX_WINDOWS = 2000
# Fewer say nothing.
MIN_WINDOWS = 16
# Classifiers, each on halves of its own, whose mean is given.
CLASSIFIERS = 3
LONGEST_INTERVAL = 12


def measure(
  params: dict,
  model: VAE,
  codec: Codec,
  tokens: np.ndarray,
  space: latent_space.LatentSpace,
  seed: int,
) -> dict:
  """Areas under the curve of classifiers (0.5: cannot be told apart).

  `latent`: z from the posteriors of half of the windows against z from the
  posteriors of the other half (the floor), from the prior, and from the fitted
  Gaussian. `decoded`: half of the windows against the other half (the floor),
  and against what is decoded at temperature 1 from z of the other half's
  posteriors, of the prior, and of the fitted Gaussian, with as many steps a bar
  as the other half has.

  Args:
    params: of the model.
    model: the network.
    codec: its codec.
    tokens: [W, T].
    space: of the model, fitted on other windows.
    seed: of all draws.

  Returns:
    {"windows": of each side, "latent": {...}, "decoded": {...}}, or {} where
    there are too few.
  """
  rng = np.random.default_rng(seed)
  order = rng.permutation(len(tokens))[:MAX_WINDOWS]
  half = len(order) // 2
  if 2 * half < MIN_WINDOWS:
    return {}
  real, other = tokens[order[:half]], tokens[order[half : 2 * half]]

  def draws() -> np.ndarray:
    return rng.standard_normal((half, model.latent_size)).astype(np.float32)

  def posterior(rows: np.ndarray) -> np.ndarray:
    found = latent_space.encode(params, model, rows)
    return np.asarray(gaussian.sample(Gaussian(*found), draws()))

  z_real = posterior(real)
  z = {
    "posterior": posterior(other),
    "prior": latent_space.draw(None, draws()),
    "fitted": latent_space.draw(space, draws()),
  }
  of_real = features(real, codec)
  made = {
    name: decoding.decode(
      params, model, codec, points, other == codec.pad, seed
    )
    for name, points in z.items()
  }
  return {
    "windows": half,
    "latent": {name: _auc(z_real, points) for name, points in z.items()},
    "decoded": {
      name: _auc(of_real, features(rows, codec))
      for name, rows in ({"real": other} | made).items()
    },
  }


def _auc(first: np.ndarray, second: np.ndarray) -> float:
  areas = [two_sample.auc(first, second, seed) for seed in range(CLASSIFIERS)]
  return float(np.mean(areas))


def features(tokens: np.ndarray, codec: Codec) -> np.ndarray:
  """What a listener could tell of windows [W, T]: float64 [W, F].

  The attributes; where in the bar notes begin; with pitches, histograms of the
  pitch classes above the first note's and of the intervals; without, of the
  drums. nan where undefined.
  """
  opens = codec.grammar.opens[tokens]
  onsets = opens >= 0
  parts = [attributes.compute(tokens, codec)]
  if codec.grid is not None:
    bars = codec.grammar.note_counts[tokens]
    parts.append(bars.reshape(len(bars), -1, codec.grid.bar_steps).mean(1))
  if codec.is_pitch.any():
    parts += _melodic(opens, onsets & codec.is_pitch[tokens])
  else:
    kinds = np.unique(codec.grammar.opens[codec.grammar.opens >= 0])
    parts.append((opens[:, :, None] == kinds[None, None]).mean(1))
  return np.concatenate(parts, 1)


def _melodic(opens: np.ndarray, pitched: np.ndarray) -> list[np.ndarray]:
  """Histograms [W, 12] of pitch classes and [W, 25] of intervals."""
  rows = np.arange(len(opens))
  first = opens[rows, pitched.argmax(1)]
  classes = np.zeros((len(opens), 12))
  intervals = np.zeros((len(opens), 2 * LONGEST_INTERVAL + 1))
  last = np.full(len(opens), -1)
  for step in range(opens.shape[1]):
    here, pitch = pitched[:, step], opens[:, step]
    np.add.at(classes, (rows[here], (pitch - first)[here] % 12), 1)
    moved = here & (last >= 0)
    interval = (pitch - last).clip(-LONGEST_INTERVAL, LONGEST_INTERVAL)
    column = interval[moved] + LONGEST_INTERVAL
    np.add.at(intervals, (rows[moved], column), 1)
    last = np.where(here, pitch, last)
  totals = [part.sum(1, keepdims=True) for part in (classes, intervals)]
  return [
    part / np.maximum(total, 1)
    for part, total in zip((classes, intervals), totals, strict=True)
  ]
