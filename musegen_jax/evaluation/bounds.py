"""Bounds on a VAE's likelihood of windows: the ELBO and the importance-weighted
bound (Burda et al. 2016, equation 8).

Letters: W windows, T steps, K samples of z a window, S of them at once, B
windows at once, Z latent dimensions.
"""

import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np
import optax
import tqdm

from musegen_jax.data.codecs.codec import Codec
from musegen_jax.data.windows import decoder_inputs
from musegen_jax.models import gaussian
from musegen_jax.models.gaussian import Gaussian
from musegen_jax.models.vae import VAE

# Samples of one chunk; their noise is addressed by (seed, window, chunk).
CHUNK = 16
# Steps decoded at once: the gates of a layer of 256 units take 128 MiB.
STEPS_AT_ONCE = 1 << 15


@dataclasses.dataclass(frozen=True)
class Samples:
  """What K draws from the posterior of each window say, nats, float64 [K, W].

  Attributes:
    log_likelihood: log p(x | z).
    log_ratio: log p(z) - log q(z | x).
  """

  log_likelihood: np.ndarray
  log_ratio: np.ndarray

  @property
  def reconstruction(self) -> np.ndarray:
    """-log p(x | z) of the first draw, [W]."""
    return -self.log_likelihood[0]

  def bound(self, samples: int) -> np.ndarray:
    """Upper bound on the negative log-likelihood [W] by the first `samples`
    draws; in expectation it falls to the likelihood as they grow."""
    weights = self.log_likelihood + self.log_ratio
    return -log_mean_exp(weights[:samples])


def log_mean_exp(values: np.ndarray) -> np.ndarray:
  """log of the mean of exp over the first axis, [K, W] -> [W]."""
  largest = values.max(0)
  shifted = np.exp(values - largest[None])
  return largest + np.log(shifted.mean(0))


def log_ratio(posterior: Gaussian, noise: jax.Array) -> jax.Array:
  """log p(z) - log q(z | x) of z = mean + deviation * noise [S, B, Z]: [S, B].

  From the noise and not from z, so that no digits are lost where the posterior
  is narrow.
  """
  z = gaussian.sample(posterior, noise)
  terms = noise**2 - z**2 + posterior.log_variance[None]
  return 0.5 * terms.sum(-1)


def noise_of(
  seed: jax.Array, numbers: jax.Array, chunk: jax.Array, size: int
) -> jax.Array:
  """Standard normal [CHUNK, B, size] of windows `numbers` [B]."""

  def of_window(number: jax.Array) -> jax.Array:
    key = jax.random.fold_in(jax.random.key(seed), number)
    return jax.random.normal(jax.random.fold_in(key, chunk), (CHUNK, size))

  return jax.vmap(of_window, out_axes=1)(numbers)


@functools.partial(jax.jit, static_argnames=("model", "samples"))
def _sample(
  params: dict,
  posterior: Gaussian,
  inputs: jax.Array,
  targets: jax.Array,
  mask: jax.Array,
  seed: jax.Array,
  numbers: jax.Array,
  chunk: jax.Array,
  *,
  model: VAE,
  samples: int,
) -> tuple[jax.Array, jax.Array]:
  """log p(x | z) and log p(z) - log q(z | x) of one chunk, [S, B] each."""
  noise = noise_of(seed, numbers, chunk, model.latent_size)[:samples]
  z = gaussian.sample(posterior, noise).reshape(-1, model.latent_size)

  def repeat(rows: jax.Array) -> jax.Array:
    return jnp.tile(rows, (samples, 1))

  logits = model.apply({"params": params}, z, repeat(inputs), method="decode")
  nll = optax.softmax_cross_entropy_with_integer_labels(logits, repeat(targets))
  # Not a product: a pad may have no probability at all.
  total = jnp.where(repeat(mask), nll, 0).sum(1)
  return -total.reshape(samples, -1), log_ratio(posterior, noise)


def sample(
  params: dict,
  model: VAE,
  codec: Codec,
  tokens: np.ndarray,
  posterior: Gaussian,
  numbers: np.ndarray,
  *,
  samples: int,
  seed: int,
) -> Samples:
  """Draws z from posteriors and scores windows under each; pads never count.

  Args:
    params: of the model.
    model: the network.
    codec: its codec.
    tokens: [W, T].
    posterior: of the windows, each part [W, Z].
    numbers: [W], which address the noise: a window draws the same whatever
      others are scored beside it.
    samples: K; 1 or a multiple of CHUNK.
    seed: of the noise.
  """
  at_once = min(samples, CHUNK)
  batch = max(1, STEPS_AT_ONCE // (at_once * tokens.shape[1]))
  batch = min(batch, 256)
  parts: list[list] = []
  for start in tqdm.trange(
    0, len(tokens), batch, desc=f"bound K={samples}", unit=" batches", delay=2
  ):
    chosen = np.arange(start, start + batch).clip(max=len(tokens) - 1)
    rows = tokens[chosen].astype(np.int32)
    inputs, mask = decoder_inputs(rows, codec), rows != codec.pad
    of_rows = Gaussian(*(part[chosen] for part in posterior))
    parts.append(
      [
        _sample(
          params,
          of_rows,
          inputs,
          rows,
          mask,
          seed,
          numbers[chosen],
          chunk,
          model=model,
          samples=at_once,
        )
        for chunk in range(-(-samples // CHUNK))
      ]
    )
  # [batches][chunks][2][S, B] -> 2 x [K, W]
  both = np.concatenate(
    [np.concatenate(chunks, axis=1) for chunks in jax.device_get(parts)], axis=2
  ).astype(np.float64)
  return Samples(*both[:, :, : len(tokens)])
