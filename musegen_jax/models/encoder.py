"""From a window of tokens to a posterior: a bidirectional LSTM.

Letters: B batch, T time step, D embedding width, E LSTM units a direction,
R pooled features a step, V vocabulary, Z latent dimensions.
"""

import flax.linen as nn
import jax
import jax.numpy as jnp

from musegen_jax.models import initializers, lstm
from musegen_jax.models.gaussian import Gaussian


def bidirectional(recurrent: jax.Array, gates_in: jax.Array) -> jax.Array:
  """Runs a forward and a backward LSTM layer in one scan.

  The direction is a batch axis of the products, which halves the steps that
  have to wait for each other.

  Args:
    recurrent: [2, E, 4E], forward and backward.
    gates_in: [2, T, B, 4E] projected inputs, the second from the end to the
      start.

  Returns:
    [T, B, 2E]: the outputs of both directions, in the order of time.
  """
  _, steps, batch, gates = gates_in.shape
  carry = lstm.initial_carry(1, batch, gates // 4)

  def one(recurrent: jax.Array, gates_in: jax.Array) -> jax.Array:
    params = lstm.single_layer(recurrent[None])
    return lstm.lstm(params, gates_in, carry)[0]

  forward, backward = jax.vmap(one)(recurrent, gates_in)
  return jnp.concatenate((forward, jnp.flip(backward, 0)), -1)


class Encoder(nn.Module):
  """q(z | x) by a bidirectional LSTM layer.

  Attributes:
    vocab_size: V.
    embedding_size: D.
    hidden_size: E.
    latent_size: Z.
    pool_size: R, what the posterior sees of every step beside the last states.
    dtype: of the matrix products; parameters and the posterior are float32.
  """

  vocab_size: int
  embedding_size: int
  hidden_size: int
  latent_size: int
  pool_size: int
  dtype: str = "float32"

  @nn.compact
  def __call__(self, tokens: jax.Array) -> Gaussian:
    """The posterior of windows [B, T] int32, each part [B, Z]."""
    gates, dtype = 4 * self.hidden_size, jnp.dtype(self.dtype)
    linen = nn.initializers
    embedding = self.param(
      "embedding", linen.normal(1.0), (self.vocab_size, self.embedding_size)
    )
    kernel = self.param(
      "kernel", linen.lecun_normal(), (self.embedding_size, 2 * gates)
    )
    bias = self.param("bias", initializers.forget_bias, (2, gates))
    recurrent = self.param(
      "recurrent",
      initializers.orthogonal_layers,
      (2, self.hidden_size, gates),
    )
    # The tokens are turned round, not their gates, which are a hundred times as
    # large.
    gates_in = [
      lstm.embedding_gates(embedding.astype(dtype), *weights, in_order)
      for *weights, in_order in zip(
        jnp.split(kernel, 2, axis=1),
        bias,
        (tokens.T, jnp.flip(tokens.T, 0)),
        strict=True,
      )
    ]
    outputs = bidirectional(recurrent, jnp.stack(gates_in))
    half = self.hidden_size
    last = jnp.concatenate((outputs[-1, :, :half], outputs[0, :, half:]), -1)
    last = last.astype(jnp.float32)
    if self.pool_size:
      # A short way from every step to z: what an LSTM would have to carry over
      # many steps, and learns to slowly, a linear map just places.
      pooled = nn.Dense(self.pool_size, name="pool", dtype=dtype)(outputs)
      flat = jnp.moveaxis(pooled, 0, 1).reshape(len(last), -1)
      last = jnp.concatenate((last, flat.astype(jnp.float32)), -1)
    heads = nn.Dense(2 * self.latent_size, name="posterior")(last)
    return Gaussian(*jnp.split(heads, 2, axis=-1))
