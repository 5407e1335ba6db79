"""What changes while training, and how it starts."""

from typing import Any

import flax.struct
import jax
import jax.numpy as jnp
import optax

from musegen_jax.models import frames, lstm

Params = dict[str, Any]
Carry = lstm.LSTMCarry | frames.FrameCarry

# Randomness is addressed: one fold of the key per use.
INIT, DROPOUT, NOISE, HIDDEN_INPUTS, GUESSED_INPUTS, GUESSES, PRIOR = range(7)


def step_key(seed: int, use: int, step: jax.Array) -> jax.Array:
  """The key of one use of randomness at one step."""
  return jax.random.fold_in(jax.random.fold_in(jax.random.key(seed), use), step)


def init_key(seed: int) -> jax.Array:
  """The key that parameters are drawn from."""
  return jax.random.fold_in(jax.random.key(seed), INIT)


@flax.struct.dataclass
class State:
  """One replica's training state.

  Attributes:
    step: int32, completed updates; also the checkpoint's label.
    params: parameters, float32.
    opt_state: optax's state.
    carry: the LSTM state the next window of each row starts from, or None
      where windows do not continue each other; unlike the rest it differs
      between devices. The second axis of its arrays runs over the batch's
      rows, a whole number of places each.
  """

  step: jax.Array
  params: Params
  opt_state: optax.OptState
  carry: Carry | None


def init(
  tx: optax.GradientTransformation,
  params: Params,
  carry: Carry | None,
) -> State:
  """State before the first step; `carry` is that of the whole batch."""
  return State(
    step=jnp.zeros((), jnp.int32),
    params=params,
    opt_state=tx.init(params),
    carry=carry,
  )
