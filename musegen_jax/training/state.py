"""What changes while training, and how it starts."""

from typing import Any

import flax.struct
import jax
import jax.numpy as jnp
import optax

from musegen_jax.models import lstm
from musegen_jax.models.language_model import LanguageModel

Params = dict[str, Any]

# Randomness is addressed: one fold of the key per use.
INIT, DROPOUT = 0, 1


@flax.struct.dataclass
class State:
  """One replica's training state.

  Attributes:
    step: int32, completed updates; also the checkpoint's label.
    params: parameters, float32.
    opt_state: optax's state.
    carry: the LSTM state the next window of each row starts from; unlike the
      rest it differs between devices.
  """

  step: jax.Array
  params: Params
  opt_state: optax.OptState
  carry: lstm.LSTMCarry


def init_params(model: LanguageModel, seed: int) -> Params:
  """Parameters drawn from a seed; they do not depend on the batch."""
  key = jax.random.fold_in(jax.random.key(seed), INIT)
  tokens = jnp.zeros((1, 1), jnp.int32)
  return jax.jit(model.init)(key, tokens, model.zero_carry(1))["params"]


def init(
  model: LanguageModel,
  tx: optax.GradientTransformation,
  batch_size: int,
  params: Params,
) -> State:
  """State before the first step, for `batch_size` rows."""
  return State(
    step=jnp.zeros((), jnp.int32),
    params=params,
    opt_state=tx.init(params),
    carry=model.zero_carry(batch_size),
  )
