"""The same work by Flax's own scan, nn.RNN over its faster cell."""

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax

from musegen_jax.speed.sizes import Sizes
from musegen_jax.speed.timing import Call

NAME = "Flax nn.RNN"


class Stack(nn.Module):
  """L layers: [T, B, D] -> [T, B, H]."""

  sizes: Sizes

  @nn.compact
  def __call__(self, inputs: jax.Array) -> jax.Array:
    for _ in range(self.sizes.layers):
      cell = nn.OptimizedLSTMCell(
        self.sizes.hidden_size, dtype=jnp.dtype(self.sizes.dtype)
      )
      inputs = nn.RNN(cell, time_major=True)(inputs)
    return inputs


class Language(nn.Module):
  """Tokens [T, B] -> logits [T, B, V]."""

  sizes: Sizes
  vocab_size: int

  @nn.compact
  def __call__(self, tokens: jax.Array) -> jax.Array:
    dtype = jnp.dtype(self.sizes.dtype)
    embed = nn.Embed(self.vocab_size, self.sizes.width, dtype=dtype)
    outputs = Stack(self.sizes)(embed(tokens))
    return nn.Dense(self.vocab_size, dtype=dtype)(outputs)


def language_step(
  sizes: Sizes,
  vocab_size: int,
  batch: dict[str, np.ndarray],
  clip_norm: float,
) -> Call:
  """A training step as `train.language_step` makes it: cross-entropy,
  clipping and Adam, on inputs and targets [B, T]."""
  model = Language(sizes, vocab_size)
  inputs, targets = (
    jnp.asarray(batch[name].T) for name in ("inputs", "targets")
  )
  tx = optax.chain(optax.clip_by_global_norm(clip_norm), optax.adam(1e-3))

  def loss(params: dict) -> jax.Array:
    logits = model.apply(params, inputs).astype(jnp.float32)
    return optax.softmax_cross_entropy_with_integer_labels(
      logits, targets
    ).mean()

  def step(params: dict, moments: optax.OptState) -> tuple:
    updates, moments = tx.update(jax.grad(loss)(params), moments)
    return optax.apply_updates(params, updates), moments

  params = jax.jit(model.init)(jax.random.key(0), inputs[:1])
  state = params, tx.init(params)
  run = jax.jit(step, donate_argnums=(0, 1))

  def call() -> None:
    nonlocal state
    state = jax.block_until_ready(run(*state))

  return call
