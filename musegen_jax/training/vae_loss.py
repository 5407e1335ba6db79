"""The VAE's objective, in nats.

The negative ELBO with a weight on the KL that grows from 0 to beta, and free
bits: the KL of a window costs nothing below a threshold (Kingma et al. 2016, in
the per-window form of MusicVAE, Roberts et al. 2018). With `mmd_weight` the
maximum mean discrepancy between all z of the batch and the prior is added:
InfoVAE (Zhao et al. 2017, equation 6) with beta = 1 - alpha and mmd_weight =
alpha + lambda - 1.

Two ways to make the decoder need z are on its inputs: hiding some (Bowman et
al. 2016), and putting its own guesses in their place (scheduled sampling in two
parallel passes, Duckworth et al. 2019). The first keeps the objective a bound
on the likelihood, the second does not.

Letters: B rows of this device, T steps, V vocabulary, Z latent dimensions.
"""

import jax
import jax.numpy as jnp
import numpy as np

from musegen_jax import config as config_lib
from musegen_jax.models import gaussian
from musegen_jax.models.vae import VAE
from musegen_jax.training import state as state_lib
from musegen_jax.training import steps

BITS = float(np.log(2))  # nats in a bit


def kl_cost(
  kl: jax.Array, beta: jax.Array | float, free_bits: float
) -> jax.Array:
  """beta * max(kl - free bits, 0), nats of each window [B]: what the objective
  adds to -log p(x | z).

  Args:
    kl: [B], from the posterior to the prior, in nats.
    beta: weight of the KL.
    free_bits: in bits a window.
  """
  return beta * jnp.maximum(kl - free_bits * BITS, 0)


def row_draws(
  key: jax.Array, rows: jax.Array, shape: tuple[int, ...], kind: str
) -> jax.Array:
  """ "normal" or "uniform" draws [B, *shape], each row's from its number in the
  whole batch, so that the number of devices changes nothing."""
  draw = getattr(jax.random, kind)
  return jax.vmap(lambda row: draw(jax.random.fold_in(key, row), shape))(rows)


def make_loss(
  model: VAE, vae: config_lib.Vae, dropout: float, seed: int, total_steps: int
) -> steps.Loss:
  """The objective of a batch as `steps.train_step` wants it."""

  def loss(
    params: state_lib.Params,
    rows: dict[str, jax.Array],
    carry: None,
    step: jax.Array,
  ) -> tuple[jax.Array, tuple[steps.Outputs, None]]:
    targets, mask, row = rows["targets"], rows["mask"], rows["row"]
    shape = targets.shape[1:]

    def draws(use: int, shape: tuple[int, ...], kind: str) -> jax.Array:
      return row_draws(state_lib.step_key(seed, use, step), row, shape, kind)

    masks = None
    if dropout:
      key = state_lib.step_key(seed, state_lib.DROPOUT, step)
      masks = steps.dropout_masks(key, row, shape[0], model, dropout)
    posterior = model.apply({"params": params}, targets, method="encode")
    noise = draws(state_lib.NOISE, (model.latent_size,), "normal")
    z = gaussian.sample(posterior, noise)
    inputs = rows["inputs"]
    if vae.word_dropout:
      hidden = draws(state_lib.HIDDEN_INPUTS, shape, "uniform")
      # To read begin again is to hear nothing of what came before.
      inputs = jnp.where(hidden < vae.word_dropout, model.begin, inputs)
    if vae.scheduled_sampling:
      share = vae.scheduled_sampling * step / total_steps
      guessed = draws(state_lib.GUESSED_INPUTS, shape, "uniform") < share
      key = state_lib.step_key(seed, state_lib.GUESSES, step)
      logits = model.apply(
        {"params": params}, z, inputs, masks, method="decode"
      )
      guesses = _guess(key, row, jax.lax.stop_gradient(logits))
      # Slots beyond a bar's end are given, in sampling too.
      known = jnp.roll(mask, 1, axis=1) == 0
      inputs = jnp.where(guessed & ~known, guesses, inputs)
      inputs = inputs.at[:, 0].set(model.begin)
    scores = model.apply(
      {"params": params}, z, inputs, targets, mask, masks, method="score"
    )
    kl = gaussian.kl_to_standard(posterior).sum(-1)
    warmth = jnp.minimum(step / max(vae.warmup_steps, 1), 1.0)
    beta = vae.beta * (warmth if vae.warmup_steps else 1.0)
    cost = kl_cost(kl, beta, vae.free_bits)
    if vae.mmd_weight:
      prior = draws(state_lib.PRIOR, (model.latent_size,), "normal")
      cost += vae.mmd_weight * _discrepancy(z, prior)
    length = mask.sum(1)

    def spread(values: jax.Array) -> jax.Array:
      """Nats of windows [B] as nats of each of their steps [B, T]."""
      share = values / jnp.maximum(length, 1)
      return jnp.broadcast_to(share[:, None], mask.shape)

    reconstruction = (scores.nll * mask).sum(1)
    outputs = {
      "nll": scores.nll,
      "correct": scores.correct,
      "kl": spread(kl),
      "objective": spread(reconstruction + cost),
    }
    # Of the scores only the total has a gradient.
    return scores.total + cost.sum(), (outputs, None)

  return loss


def _guess(key: jax.Array, row: jax.Array, logits: jax.Array) -> jax.Array:
  """What the decoder would have said one step earlier: [B, T] int32."""

  def one(row: jax.Array, logits: jax.Array) -> jax.Array:
    return jax.random.categorical(jax.random.fold_in(key, row), logits)

  said = jax.vmap(one)(row, logits).astype(jnp.int32)
  return jnp.roll(said, 1, axis=1)


def _discrepancy(z: jax.Array, prior: jax.Array) -> jax.Array:
  """The discrepancy over the rows of all devices, a share for each window."""
  every_z, every_prior = (
    jax.lax.all_gather(part, steps.AXIS, tiled=True) for part in (z, prior)
  )
  # Every window adds an equal share, and every device the same figure: summed
  # over both, the batch counts the discrepancy once a window, as the KL does.
  return gaussian.mmd(every_z, every_prior)
