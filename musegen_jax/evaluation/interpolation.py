"""What lies between two windows.

Letters: N pairs, P points from one end to the other, T steps, Z latent
dimensions.
"""

import jax
import numpy as np

from musegen_jax.data.codecs.codec import Codec
from musegen_jax.evaluation import (
  bootstrap,
  decoding,
  latent_space,
  reconstruction,
  two_sample,
  window_likelihood,
)
from musegen_jax.models import gaussian
from musegen_jax.models.language_model import LanguageModel
from musegen_jax.models.vae import VAE

PAIRS = 200
POINTS = 9


def pairs(
  piece: np.ndarray, length: np.ndarray, limit: int, seed: int
) -> np.ndarray:
  """At most `limit` pairs of windows of different pieces and equal numbers of
  steps, int64 [N, 2], from the windows' `piece` and `length` [W]."""
  partner = reconstruction.other_piece(piece, length, seed)
  first = np.random.default_rng(seed).permutation((partner >= 0).nonzero()[0])
  return np.stack([first[:limit], partner[first[:limit]]], 1)


def points_between(first: np.ndarray, second: np.ndarray) -> np.ndarray:
  """[N, P, Z] along the great circles from [N, Z] to [N, Z]."""
  between = jax.vmap(lambda a, b: gaussian.slerp(a, b, POINTS))
  return np.asarray(between(first, second))


def distances(decoded: np.ndarray, pads: np.ndarray) -> np.ndarray:
  """Share of steps that differ from the first point's: [N, P] float64.

  Args:
    decoded: [N, P, T] tokens.
    pads: [N, T] bool, steps that are none.
  """
  differs = (decoded != decoded[:, :1]) & ~pads[:, None]
  return differs.sum(-1) / (~pads).sum(-1)[:, None]


def rank_correlations(rows: np.ndarray) -> np.ndarray:
  """Spearman's rho of each row [N, P] with 1..P, ties averaged: [N]; 0 for a
  row that never changes."""
  ranks = np.array([two_sample.average_ranks(row) for row in rows])
  ranks -= ranks.mean(1, keepdims=True)
  order = np.arange(rows.shape[1]) - (rows.shape[1] - 1) / 2
  norm = np.sqrt((ranks**2).sum(1) * (order**2).sum())
  return (ranks @ order) / np.where(norm > 0, norm, 1)


def cross_fade(first: np.ndarray, second: np.ndarray, seed: int) -> np.ndarray:
  """Each step of [N, T] from one window or the other, at random."""
  heads = np.random.default_rng(seed).random(first.shape) < 0.5
  return np.where(heads, first, second)


def measure(
  params: dict,
  model: VAE,
  codec: Codec,
  tokens: np.ndarray,
  piece: np.ndarray,
  peer: tuple[LanguageModel, dict] | None,
  seed: int,
) -> dict:
  """Interpolates between windows and judges what is decoded (argmax).

  Args:
    params: of the model.
    model: the network.
    codec: its codec.
    tokens: [W, T].
    piece: [W], number of each window's piece.
    peer: a language model of such windows and its parameters; it says whether
      the midpoints are music, against cross-fades of the two windows.
    seed: of the pairs and the cross-fades.

  Returns:
    {"pairs", "points", "spearman": [value, low, high], "midpoints": {...}}, or
    {} where no pair fits.
  """
  length = (tokens != codec.pad).sum(1)
  chosen = pairs(piece, length, PAIRS, seed)
  if not len(chosen):
    return {}
  a, b = tokens[chosen[:, 0]], tokens[chosen[:, 1]]
  ends = [latent_space.encode(params, model, rows).mean for rows in (a, b)]
  z, pads = points_between(*ends), a == codec.pad
  decoded = decoding.decode(
    params,
    model,
    codec,
    z.reshape(-1, z.shape[-1]),
    np.repeat(pads, POINTS, axis=0),
  ).reshape(len(chosen), POINTS, -1)
  rho = rank_correlations(distances(decoded, pads))
  low, high = bootstrap.ratio_interval(rho, np.ones(len(rho)))
  result = {
    "pairs": len(chosen),
    "points": POINTS,
    "spearman": [float(rho.mean()), low, high],
  }
  if peer:
    faded = cross_fade(a, b, seed)
    middle = decoded[:, POINTS // 2]
    result["midpoints"] = _judge(peer, codec, middle, faded)
  return result


def _judge(
  peer: tuple[LanguageModel, dict],
  codec: Codec,
  middle: np.ndarray,
  faded: np.ndarray,
) -> dict:
  """Nats per note of midpoints and cross-fades [N, T] under a language model,
  and their difference, paired by pair; {} where there are fewer notes than
  windows, since silence is cheap but not music."""
  sums = []
  for rows in (middle, faded):
    notes = codec.grammar.note_counts[rows].sum(1).astype(float)
    if notes.sum() < len(rows):
      return {}
    sums.append((-window_likelihood.score(*peer, rows, codec).nll, notes))
  decoded, cross_faded = (nats.sum() / notes.sum() for nats, notes in sums)
  low, high = bootstrap.difference_interval(*sums[0], *sums[1])
  return {
    "decoded": float(decoded),
    "cross_fade": float(cross_faded),
    "difference": [float(decoded - cross_faded), low, high],
  }
