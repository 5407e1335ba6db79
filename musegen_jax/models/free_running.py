"""Windows from latent vectors: the VAE's decoder hears its own tokens.

Letters: B windows, T steps, S segments, V vocabulary, Z latent dimensions.
"""

import functools
from collections.abc import Callable

import jax
import jax.numpy as jnp

from musegen_jax.models import language_model, lstm_step, vae

FREE = -1


def most_likely(logits: jax.Array, uniforms: jax.Array) -> jax.Array:
  """The argmax of logits [B, V]; takes no chances."""
  del uniforms
  return logits.argmax(-1).astype(jnp.int32)


@functools.partial(jax.jit, static_argnames=("model", "choose"))
def decode(
  params: dict,
  z: jax.Array,
  forced: jax.Array,
  uniforms: jax.Array,
  allowed: jax.Array,
  *,
  model: vae.VAE,
  choose: Callable[[jax.Array, jax.Array], jax.Array],
) -> jax.Array:
  """Decodes latent vectors step by step, all segments side by side.

  Args:
    params: of the VAE.
    z: [B, Z].
    forced: [B, T] int32, tokens that are given (pad beyond a bar's end), or
      FREE.
    uniforms: [B, T] in [0, 1), all the randomness there is.
    allowed: [V] bool, tokens that may be chosen.
    model: the network.
    choose: (logits [N, V], uniforms [N]) -> tokens [N] int32.

  Returns:
    tokens [B, T] int32.
  """
  conditions = model.apply({"params": params}, z, method="conditions")
  step_params = language_model.step_params(params["decoder"], model.dtype)

  def rows(array: jax.Array) -> jax.Array:
    """[B, T] -> [T/S, S*B]."""
    parts = array.reshape(len(array), model.segments, -1)
    return parts.transpose(2, 1, 0).reshape(parts.shape[2], -1)

  def step(state: tuple, inputs: tuple) -> tuple:
    tokens, carry = state
    forced_t, uniforms_t, gates_t = inputs
    logits, carry = language_model.step(step_params, tokens, carry, gates_t)
    logits = jnp.where(allowed[None], logits, -jnp.inf)
    chosen = choose(logits, uniforms_t)
    tokens = jnp.where(forced_t == FREE, chosen, forced_t)
    return (tokens, carry), tokens

  first = jnp.full(model.segments * len(z), model.begin, jnp.int32)
  carry = lstm_step.begin(conditions.carry)
  forced, uniforms = rows(forced), rows(uniforms)
  gates = jnp.broadcast_to(
    conditions.gates, (len(forced), *conditions.gates.shape[1:])
  )
  _, tokens = jax.lax.scan(step, (first, carry), (forced, uniforms, gates))
  return vae.join_segments(tokens.T, model.segments)
