"""Head and cross-entropy in one: nats of tokens from the LSTM's outputs.

Automatic differentiation would keep logits and softmax of a whole batch until
the backward pass comes back for them. The gradient of the last two operations
follows from what the forward pass knows, so it is made there and only its
products are kept: they have the sizes of the outputs and of the head.

Letters: N tokens, H LSTM units, V vocabulary.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import lax


class TokenScores(NamedTuple):
  """How well tokens were predicted.

  Attributes:
    total: nats of all tokens, weighted; the only part with a gradient.
    nll: nats of each token, float32.
    correct: 1 where the most likely guess was right, the first of several
      equally likely ones counting, float32.
  """

  total: jax.Array
  nll: jax.Array
  correct: jax.Array


def logits(outputs: jax.Array, head: jax.Array, bias: jax.Array) -> jax.Array:
  """[N, H], [H, V], [V] -> [N, V], a product in the outputs' dtype summed in
  float32 (float64 if they are)."""
  accumulate = jnp.promote_types(outputs.dtype, jnp.float32)
  kernel = head.astype(outputs.dtype)
  product = jnp.dot(outputs, kernel, preferred_element_type=accumulate)
  return product + bias[None, :]


@jax.custom_vjp
def score_tokens(
  outputs: jax.Array,
  head: jax.Array,
  bias: jax.Array,
  targets: jax.Array,
  weights: jax.Array,
) -> TokenScores:
  """Scores targets [N] int32 with weights [N] float32; the rest as `logits`
  takes it. Weights, `nll` and `correct` are constants to the gradient."""
  return _score(logits(outputs, head, bias), targets, weights)[0]


def _score(
  logits: jax.Array, targets: jax.Array, weights: jax.Array
) -> tuple[TokenScores, jax.Array]:
  """Scores, and log sum exp of each row [N]."""
  top = logits.max(-1)
  log_sum = jnp.log(jnp.exp(logits - top[:, None]).sum(-1)) + top
  chosen = jnp.take_along_axis(logits, targets[:, None], axis=1)[:, 0]
  nll = log_sum - chosen
  # An argmax from the maximum at hand: XLA's own costs the CPU as much as the
  # rest of this function.
  numbers = jnp.arange(logits.shape[1])[None, :]
  is_top = logits == top[:, None]
  first = jnp.where(is_top, numbers, logits.shape[1]).min(-1)
  correct = (first == targets).astype(nll.dtype)
  return TokenScores((nll * weights).sum(), nll, correct), log_sum


def _score_forward(
  outputs: jax.Array,
  head: jax.Array,
  bias: jax.Array,
  targets: jax.Array,
  weights: jax.Array,
) -> tuple[TokenScores, tuple]:
  raw = logits(outputs, head, bias)
  scores, log_sum = _score(raw, targets, weights)
  numbers = jnp.arange(raw.shape[1])[None, :]
  said = (numbers == targets[:, None]).astype(raw.dtype)
  surplus = jnp.exp(raw - log_sum[:, None]) - said
  d_logits = surplus * weights[:, None]
  factor = d_logits.astype(outputs.dtype)
  d_outputs = jnp.dot(factor, head.astype(outputs.dtype).T)
  # XLA's CPU product is slower on a left operand it must transpose itself.
  columns = lax.optimization_barrier(outputs.T)
  d_head = jnp.dot(columns, factor, preferred_element_type=raw.dtype)
  d_bias = d_logits.sum(0).astype(bias.dtype)
  return scores, (d_outputs, d_head.astype(head.dtype), d_bias)


def _score_backward(gradients: tuple, cotangents: TokenScores) -> tuple:
  factor = cotangents.total
  scaled = jax.tree.map(lambda g: g * factor.astype(g.dtype), gradients)
  return *scaled, None, None


score_tokens.defvjp(_score_forward, _score_backward)
