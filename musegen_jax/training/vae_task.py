"""Training a VAE: its data, loss, validation and preview.

Letters: W windows, T steps, Z latent dimensions.
"""

import functools

import jax
import jax.numpy as jnp
import numpy as np

from musegen_jax import config as config_lib
from musegen_jax.data import shards, windows
from musegen_jax.data.codecs.codec import Codec
from musegen_jax.data.notes import Piece
from musegen_jax.evaluation import collapse, latent_space
from musegen_jax.models import gaussian, vae
from musegen_jax.sampling import latent
from musegen_jax.training import metrics, vae_loss
from musegen_jax.training import state as state_lib
from musegen_jax.training import task as task_lib
from musegen_jax.training.task import Task, Validation

# Enough for steady figures; more would make every validation slow.
VALID_WINDOWS = 2048
VALID_BATCH = 256


def make(
  config: config_lib.Config, codec: Codec, dataset: shards.Dataset
) -> Task:
  """The task of a config; raises UserError where data and codec do not fit."""
  model, train = vae.from_config(config, codec), config.train
  batch_at, epoch, valid, overview = task_lib.window_data(
    config, codec, dataset
  )
  chosen = latent_space.evenly(len(valid), VALID_WINDOWS)
  tokens = valid.tokens[chosen].astype(np.int32)

  def init_params(seed: int) -> state_lib.Params:
    window = jnp.zeros((1, train.window), jnp.int32)
    noise = jnp.zeros((1, model.latent_size))
    return task_lib.draw_params(model, seed, window, window, noise)

  def validate(by_device: list[state_lib.Params], step: int) -> Validation:
    # Every process scores all of them: the mutual information needs all.
    return score(
      by_device[0], model, config.vae, tokens, codec, train.seed, step
    )

  def preview(params: state_lib.Params, step: int) -> Piece:
    return latent.preview(params, model, codec, train.window, train.seed, step)

  return Task(
    init_params=init_params,
    zero_carry=lambda rows: None,
    batch_at=batch_at,
    steps_per_epoch=epoch,
    loss=vae_loss.make_loss(
      model, config.vae, config.model.dropout, train.seed, train.steps
    ),
    metrics=metrics.VaeMetrics,
    validate=validate,
    count_notes=task_lib.count_tokens(codec),
    preview=preview,
    overview=overview,
    unit="nats a step, with the KL as the config weighs it",
  )


@functools.partial(jax.jit, static_argnames="model")
def _reconstruct(
  params: state_lib.Params,
  tokens: jax.Array,
  inputs: jax.Array,
  noise: jax.Array,
  pad: jax.Array,
  *,
  model: vae.VAE,
) -> tuple[gaussian.Gaussian, jax.Array, jax.Array]:
  posterior = model.apply({"params": params}, tokens, method="encode")
  z = gaussian.sample(posterior, noise)
  mask = (tokens != pad).astype(jnp.float32)
  scores = model.apply(
    {"params": params}, z, inputs, tokens, mask, method="score"
  )
  return posterior, (scores.nll * mask).sum(1), (scores.correct * mask).sum(1)


def score(
  params: state_lib.Params,
  model: vae.VAE,
  settings: config_lib.Vae,
  tokens: np.ndarray,
  codec: Codec,
  seed: int,
  step: int,
) -> Validation:
  """The objective on windows [W, T] at its final KL weight, with one z a
  window, and what shows whether z is used.

  `loss`, `reconstruction` and `kl` are nats a step; `kl_bits` is bits a window.
  """
  noise = np.random.default_rng(seed).standard_normal(
    (len(tokens), model.latent_size), np.float32
  )
  inputs = windows.decoder_inputs(tokens, codec)
  parts, size = [], min(VALID_BATCH, len(tokens))
  for start in range(0, len(tokens), size):
    # Always as many, the last window again where there are too few: compiled
    # once.
    rows = np.minimum(np.arange(start, start + size), len(tokens) - 1)
    parts.append(
      _reconstruct(
        params,
        tokens[rows],
        inputs[rows],
        noise[rows],
        codec.pad,
        model=model,
      )
    )
  joined = jax.tree.map(
    lambda *each: np.concatenate(each)[: len(tokens)], *jax.device_get(parts)
  )
  posterior, nll, correct = joined
  kl = np.asarray(gaussian.kl_to_standard(posterior))
  cost = vae_loss.kl_cost(kl.sum(1), settings.beta, settings.free_bits)
  total = nll + cost
  count = windows.mask(tokens, codec).sum()
  units = latent_space.active_units(posterior.mean)
  kl_bits = float(kl.sum(1).mean()) / vae_loss.BITS
  reasons = collapse.reasons(kl_bits, units, model.latent_size)
  warnings: tuple[str, ...] = ()
  # Before its full weight the KL is no sign of anything.
  if reasons and step >= settings.warmup_steps:
    warnings = (f"posterior collapse: {'; '.join(reasons)}; {collapse.ADVICE}",)
  return Validation(
    figures={
      "loss": float(np.asarray(total).sum() / count),
      "reconstruction": float(nll.sum() / count),
      "kl": float(kl.sum() / count),
      "kl_bits": kl_bits,
      "accuracy": float(correct.sum() / count),
      "active_units": float(units),
      "mutual_information_bits": latent_space.mutual_information(
        posterior, seed
      )
      / vae_loss.BITS,
      "collapsed": float(bool(reasons)),
    },
    vectors={"kl_bits_per_dimension": kl.mean(0) / vae_loss.BITS},
    warnings=warnings,
  )
