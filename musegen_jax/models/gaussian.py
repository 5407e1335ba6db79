"""Diagonal Gaussians of a latent space, in nats.

Letters: B windows, K samples, M and N points, Z latent dimensions.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp

LOG_TWO_PI = 1.8378770664093453


class Gaussian(NamedTuple):
  """Independent normal distributions.

  Attributes:
    mean: [B, Z] float32.
    log_variance: [B, Z] float32.
  """

  mean: jax.Array
  log_variance: jax.Array


def sample(gaussian: Gaussian, noise: jax.Array) -> jax.Array:
  """[..., B, Z] from standard normal noise [..., B, Z] (the reparameterisation
  of Kingma & Welling 2014)."""
  scale = jnp.exp(0.5 * gaussian.log_variance)
  return jnp.expand_dims(gaussian.mean, range(noise.ndim - 2)) + noise * (
    jnp.expand_dims(scale, range(noise.ndim - 2))
  )


def kl_to_standard(gaussian: Gaussian) -> jax.Array:
  """KL(q || N(0, I)) of each dimension, nats [B, Z] (Kingma & Welling 2014,
  appendix B)."""
  mean, log_variance = gaussian
  return 0.5 * (mean**2 + jnp.exp(log_variance) - 1 - log_variance)


def log_density(gaussian: Gaussian, points: jax.Array) -> jax.Array:
  """log q(z) of points [..., B, Z], each under its own row: [..., B]."""
  mean, log_variance = (
    jnp.expand_dims(part, range(points.ndim - 2)) for part in gaussian
  )
  squares = (points - mean) ** 2 * jnp.exp(-log_variance)
  return -0.5 * (squares + log_variance + LOG_TWO_PI).sum(-1)


def log_standard_density(points: jax.Array) -> jax.Array:
  """log N(z; 0, I) of points [..., Z]: [...]."""
  return -0.5 * (points**2 + LOG_TWO_PI).sum(-1)


def pairwise_log_density(gaussian: Gaussian, points: jax.Array) -> jax.Array:
  """log q_n(z_m) of every point [M, Z] under every Gaussian [N, Z]: [M, N]."""
  mean, log_variance = gaussian
  precision = jnp.exp(-log_variance)
  squares = (
    points**2 @ precision.T
    - 2 * points @ (mean * precision).T
    + (mean**2 * precision).sum(-1)[None]
  )
  constant = (log_variance + LOG_TWO_PI).sum(-1)[None]
  return -0.5 * (squares + constant)


def mmd(first: jax.Array, second: jax.Array) -> jax.Array:
  """Squared maximum mean discrepancy of two samples [M, Z] and [N, Z].

  The unbiased estimate (Gretton et al. 2012, lemma 6) under the sum of inverse
  multiquadric kernels c / (c + |x - y|^2), c = 2 Z s for scales s from 0.2 to
  5, as for Wasserstein autoencoders (Tolstikhin et al. 2018); M, N above 1.
  """
  within = _kernel_mean(first, first, True) + _kernel_mean(second, second, True)
  return within - 2 * _kernel_mean(first, second, False)


def _kernel_mean(
  first: jax.Array, second: jax.Array, without_diagonal: bool
) -> jax.Array:
  squares = (
    (first**2).sum(-1)[:, None]
    + (second**2).sum(-1)[None]
    - 2 * first @ second.T
  )
  total = jnp.zeros_like(squares)
  for scale in (0.2, 0.5, 1.0, 2.0, 5.0):
    constant = 2 * first.shape[-1] * scale
    total += constant / (constant + jnp.maximum(squares, 0))
  if not without_diagonal:
    return total.mean()
  count = len(first)
  return (total.sum() - jnp.trace(total)) / (count * (count - 1))


def slerp(first: jax.Array, second: jax.Array, count: int) -> jax.Array:
  """`count` points from one latent vector [Z] to another, ends included, along
  the great circle between their directions, lengths changing evenly (Shoemake
  1985; White 2016): [count, Z]."""
  share = jnp.linspace(0, 1, count)[:, None]
  line = (1 - share) * first[None] + share * second[None]
  length_1, length_2 = jnp.linalg.norm(first), jnp.linalg.norm(second)
  one = first[None] / jnp.maximum(length_1, 1e-12)
  two = second[None] / jnp.maximum(length_2, 1e-12)
  angle = jnp.arccos(jnp.clip((one * two).sum(), -1, 1))
  # Directions that agree, or are opposite, leave the circle open: a line then.
  straight = jnp.sin(angle) < 1e-4
  sine = jnp.where(straight, 1, jnp.sin(angle))
  turn_1, turn_2 = jnp.sin((1 - share) * angle), jnp.sin(share * angle)
  length = (1 - share) * length_1 + share * length_2
  return jnp.where(
    straight, line, length * (turn_1 * one + turn_2 * two) / sine
  )
