"""Windows that a VAE makes of latent vectors, for measuring.

Letters: N points of latent space, T steps, V vocabulary, Z latent dimensions.
"""

import jax
import jax.numpy as jnp
import numpy as np

from musegen_jax.data.codecs.codec import Codec
from musegen_jax.models import free_running
from musegen_jax.models.vae import VAE

BATCH = 256


def draw(logits: jax.Array, uniforms: jax.Array) -> jax.Array:
  """One token a row at temperature 1, by inverse CDF: [B] int32."""
  sums = jnp.cumsum(jax.nn.softmax(logits, axis=-1), axis=-1)
  token = (sums <= uniforms[:, None] * sums[:, -1:]).sum(-1)
  # Rounding may push the target onto the last sum.
  last = (sums < sums[:, -1:]).sum(-1)
  return jnp.minimum(token, last).astype(jnp.int32)


def allowed(codec: Codec) -> np.ndarray:
  """bool [V]: what a window may say; it has no end token."""
  mask = codec.predictable.copy()
  mask[codec.end] = False
  return mask


def decode(
  params: dict,
  model: VAE,
  codec: Codec,
  z: np.ndarray,
  pads: np.ndarray,
  seed: int | None = None,
) -> np.ndarray:
  """The windows that points say, the decoder hearing its own tokens.

  Args:
    params: of the model.
    model: the network.
    codec: its codec.
    z: [N, Z].
    pads: [N, T] bool, where bars have no step.
    seed: of the draws at temperature 1; None takes the most likely tokens.

  Returns:
    tokens [N, T] int32, pad where pads are.
  """
  forced = np.where(pads, codec.pad, free_running.FREE).astype(np.int32)
  uniforms = np.zeros(pads.shape, np.float32)
  if seed is not None:
    uniforms = np.random.default_rng(seed).random(pads.shape, np.float32)
  choose = free_running.most_likely if seed is None else draw
  may = allowed(codec)
  parts = []
  for start in range(0, len(z), BATCH):
    # Always a whole batch: compiled once, and rounded alike.
    rows = np.arange(start, start + BATCH).clip(max=len(z) - 1)
    parts.append(
      free_running.decode(
        params,
        z[rows].astype(np.float32),
        forced[rows],
        uniforms[rows],
        may,
        model=model,
        choose=choose,
      )
    )
  return np.concatenate(jax.device_get(parts))[: len(z)]
