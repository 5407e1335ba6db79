"""The figures of a VAE's evaluation: bounds, accuracies, posterior.

Letters: W windows, P pieces, T steps, Z latent dimensions.
"""

import dataclasses

import numpy as np

from musegen_jax.data import windows
from musegen_jax.data.codecs.codec import Codec
from musegen_jax.evaluation import (
  bootstrap,
  bounds,
  latent_space,
  reconstruction,
  window_likelihood,
)
from musegen_jax.models import gaussian, language_model, vae
from musegen_jax.models.gaussian import Gaussian

# The bound of FEW samples is measured on `bound_windows`, that of MANY, which
# costs eight times as much a window, on a quarter of them.
FEW, MANY = 64, 512
# Posteriors in the mixture whose mutual information is estimated.
MAX_MIXTURE = 5000
SEED = 0


@dataclasses.dataclass(frozen=True)
class Scored:
  """A checkpoint and windows of one split to score it on.

  Attributes:
    params: of the model.
    model: the network.
    codec: its codec.
    tokens: [W, T].
    piece: [W], number of each window's piece.
    posterior: of the windows, each part [W, Z].
    peer: a language model and its parameters, or None.
  """

  params: dict
  model: vae.VAE
  codec: Codec
  tokens: np.ndarray
  piece: np.ndarray
  posterior: Gaussian
  peer: tuple[language_model.LanguageModel, dict] | None

  def subset(self, chosen: np.ndarray) -> "Scored":
    """The same on some of the windows."""
    return dataclasses.replace(
      self,
      tokens=self.tokens[chosen],
      piece=self.piece[chosen],
      posterior=Gaussian(*(part[chosen] for part in self.posterior)),
    )

  def ratio(self, top: np.ndarray, bottom: np.ndarray) -> list[float]:
    """Sum of top [W] over sum of bottom [W], as [value, low, high] with the 95
    % interval over pieces."""
    sums = [
      window_likelihood.per_piece(values, self.piece)
      for values in (top, bottom)
    ]
    low, high = bootstrap.ratio_interval(*sums)
    return [float(top.sum() / max(bottom.sum(), 1e-12)), low, high]


def likelihoods(scored: Scored, bound_windows: int) -> list[dict]:
  """Bounds and the peer's likelihood, in blocks of rows over the same windows:
  all of them by one sample, fewer by more."""
  total = len(scored.tokens)
  sizes = {total: 1, min(total, bound_windows): FEW}
  sizes[min(total, max(1, bound_windows // 4))] = MANY
  return [_block(scored, size, most) for size, most in sizes.items()]


def _block(scored: Scored, size: int, most: int) -> dict:
  """Rows over `size` windows, evenly spread, with up to `most` samples."""
  chosen = latent_space.evenly(len(scored.tokens), size)
  some, codec = scored.subset(chosen), scored.codec
  samples = bounds.sample(
    some.params,
    some.model,
    codec,
    some.tokens,
    some.posterior,
    chosen,
    samples=most,
    seed=SEED,
  )
  kl = np.asarray(gaussian.kl_to_standard(some.posterior), np.float64).sum(1)
  nll = {"VAE, ELBO": samples.reconstruction + kl}
  for count in (1, FEW, MANY):
    if count <= most:
      nll[f"VAE, bound K = {count}"] = samples.bound(count)
  exact = None
  if some.peer:
    exact = window_likelihood.score(*some.peer, some.tokens, codec).nll
  steps = windows.mask(some.tokens, codec).sum(1).astype(float)
  notes = codec.grammar.note_counts[some.tokens].sum(1).astype(float)

  def row(name: str, nats: np.ndarray, kind: str) -> dict:
    return {
      "model": name,
      "kind": kind,
      "nats_per_step": some.ratio(nats, steps),
      "nats_per_note": some.ratio(nats, notes),
      "bits_per_window": some.ratio(nats / np.log(2), np.ones(size)),
    }

  rows = [row(name, nats, "upper bound") for name, nats in nll.items()]
  gaps = {}
  if exact is not None:
    rows.append(row("LSTM", exact, "exact"))
    gaps = {
      name: [100 * (value - 1) for value in some.ratio(nats, exact)]
      for name, nats in nll.items()
    }
  return {
    "windows": size,
    "pieces": len(np.unique(some.piece)),
    "rows": rows,
    "gap_to_lstm_per_cent": gaps,
  }


def accuracies(scored: Scored) -> dict:
  """Shares of steps and of onsets that come back, from the posterior mean; the
  same with the z of another piece."""
  tokens, codec = scored.tokens, scored.codec
  length = windows.mask(tokens, codec).sum(1)
  others = reconstruction.strangers(scored.piece, length, SEED)
  mean = scored.posterior.mean
  points = {"own z": mean}
  if (others >= 0).all():
    points["z of another piece"] = mean[others]
  ways = {
    "teacher-forced": reconstruction.teacher_forced,
    "free-running": reconstruction.free_running,
  }
  rows, free = [], []
  for way, function in ways.items():
    for name, z in points.items():
      found = function(scored.params, scored.model, codec, z, tokens)
      rows.append(
        {
          "way": way,
          "z": name,
          "steps": scored.ratio(found.correct, found.steps),
          "onsets": scored.ratio(found.correct_onsets, found.onsets),
        }
      )
      if way == "free-running":
        free.append(found.correct_onsets)
  # Onsets are as many on both sides, so that the ratio of the sums will do; no
  # hit at all counts as half a hit.
  ratio = None
  if len(free) == 2:
    floor = np.full(len(tokens), 0.5 / len(tokens))
    ratio = scored.ratio(free[0], np.maximum(free[1], floor))
  return {"rows": rows, "onset_ratio": ratio}


def posterior_figures(scored: Scored) -> dict:
  """How much of a window z holds."""
  kl = np.asarray(gaussian.kl_to_standard(scored.posterior), np.float64)
  bits = kl / np.log(2)
  chosen = latent_space.evenly(len(bits), MAX_MIXTURE)
  mixture = Gaussian(*(part[chosen] for part in scored.posterior))
  information = latent_space.mutual_information(mixture, SEED)
  return {
    "kl_bits": scored.ratio(bits.sum(1), np.ones(len(bits))),
    "kl_bits_of_dimensions": sorted(bits.mean(0).tolist(), reverse=True),
    "active_units": latent_space.active_units(scored.posterior.mean),
    "latent_size": scored.model.latent_size,
    "mutual_information_bits": information / float(np.log(2)),
    "mutual_information_cap_bits": float(np.log2(len(chosen))),
  }
