"""How surprised each model is by the same held-out excerpts.

Letters: W excerpts, T steps, S seeds.
"""

import dataclasses

import jax
import numpy as np

from musegen_jax.comparison.hearing import Excerpt, Hearing
from musegen_jax.comparison.systems import Run
from musegen_jax.evaluation import (
  baselines,
  bounds,
  latent_space,
  likelihood,
  reconstruction,
  run,
  window_likelihood,
)
from musegen_jax.models import language_model, vae

SEED = 0
EXACT = "exact"


@dataclasses.dataclass(frozen=True)
class Surprise:
  """What one run says of W excerpts, float64 [W] each.

  Attributes:
    nats: negative log-likelihood, or an upper bound on it.
    measured: EXACT, or what the bound is.
    right: events whose most likely continuation came; None for a VAE, which has
      none before it has seen the excerpt.
    returned: of a VAE, steps that come back from the excerpt's own z: teacher-
      forced and free-running; else None.
  """

  nats: np.ndarray
  measured: str
  right: np.ndarray | None = None
  returned: tuple[np.ndarray, np.ndarray] | None = None


@dataclasses.dataclass(frozen=True)
class Sizes:
  """What the excerpts hold, float64 [W] each."""

  notes: np.ndarray
  seconds: np.ndarray
  events: np.ndarray


def sizes(excerpts: list[Excerpt], hearing: Hearing) -> Sizes:
  """Counts notes, seconds and events of each excerpt."""
  codec = hearing.codec
  return Sizes(
    np.array([codec.note_count(e.tokens) for e in excerpts], float),
    np.array([codec.duration_seconds(e.tokens) for e in excerpts]),
    np.array([len(e.tokens) for e in excerpts], float),
  )


def reason_against(own: Run, hearing: Hearing) -> str:
  """Why the likelihood of a run cannot stand beside the others', or ""."""
  if own.config.model.kind == "frames":
    return "its likelihood is of frames: musegen_jax.evaluate prints it"
  if own.hearing.codec.vocabulary_hash != hearing.codec.vocabulary_hash:
    return f"it speaks another codec, {own.hearing.codec.name}"
  if own.hearing.window != hearing.window:
    return f"it was trained on {own.hearing.unit}"
  return ""


def of_run(
  own: Run, excerpts: list[Excerpt], hearing: Hearing, samples: int
) -> Surprise:
  """Scores excerpts under a run that `reason_against` has nothing against.

  Args:
    own: an LSTM's or a VAE's.
    excerpts: at least one.
    hearing: of all.
    samples: K of the VAE's importance-weighted bound, a multiple of 16.
  """
  codec = hearing.codec
  if own.config.model.kind == "vae":
    return _of_vae(own, excerpts, hearing, samples)
  model = language_model.from_config(own.config.model, codec)
  if hearing.window:
    tokens = hearing.stack(excerpts)
    scores = window_likelihood.score(model, own.params, tokens, codec)
  else:
    by_device = [jax.device_put(own.params, d) for d in jax.local_devices()]
    pieces = run.framed([each.tokens for each in excerpts], codec)
    scores = likelihood.score(model, by_device, pieces, codec)
  return Surprise(scores.nll, EXACT, scores.correct)


def _of_vae(
  own: Run, excerpts: list[Excerpt], hearing: Hearing, samples: int
) -> Surprise:
  model = vae.from_config(own.config, hearing.codec)
  tokens = hearing.stack(excerpts)
  posterior = latent_space.encode(own.params, model, tokens)
  drawn = bounds.sample(
    own.params,
    model,
    hearing.codec,
    tokens,
    posterior,
    np.arange(len(tokens)),
    samples=samples,
    seed=SEED,
  )
  common = (own.params, model, hearing.codec, posterior.mean, tokens)
  returned = (
    reconstruction.teacher_forced(*common).correct,
    reconstruction.free_running(*common).correct,
  )
  return Surprise(
    drawn.bound(samples),
    f"at most: importance-weighted bound, K = {samples}",
    returned=returned,
  )


def of_ngram(
  best: baselines.Baseline, excerpts: list[Excerpt], hearing: Hearing
) -> Surprise:
  """Scores excerpts under an n-gram."""
  pieces = run.framed([each.tokens for each in excerpts], hearing.codec)
  scores = baselines.score(best, pieces)
  return Surprise(scores.nll, EXACT, scores.correct)
