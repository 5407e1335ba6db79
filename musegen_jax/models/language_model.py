"""Next-token language model: embedding, stacked LSTM, logits.

Letters: B batch, T time step, D embedding width, H LSTM units, G = 4H gates,
L layers, V vocabulary, C places in the metre.
"""

from typing import Any

import flax.linen as nn
import flax.struct
import jax
import jax.numpy as jnp

from musegen_jax import config as config_lib
from musegen_jax.data.codecs.codec import Codec
from musegen_jax.models import initializers, lstm, lstm_step, token_scores
from musegen_jax.models.token_scores import TokenScores


class LanguageModel(nn.Module):
  """A stacked LSTM over tokens.

  Attributes:
    vocab_size: V.
    embedding_size: D.
    hidden_size: H.
    layers: L.
    dtype: of the matrix products; parameters, logits and cell state are
      float32.
    cycle: C, tokens after which the metre is where it was; 0 where the model
      is not told the place of a token.
    implementation: of the LSTM, see `lstm.lstm`.
  """

  vocab_size: int
  embedding_size: int
  hidden_size: int
  layers: int
  dtype: str = "float32"
  cycle: int = 0
  implementation: str = "auto"

  def __call__(
    self, tokens: jax.Array, carry: lstm.LSTMCarry, **conditions: Any
  ) -> tuple[jax.Array, lstm.LSTMCarry, dict[str, jax.Array]]:
    """Scores every next token.

    Args:
      tokens: [B, T] int32 inputs.
      carry: state before the first step, each part [L, B, H].
      **conditions: see `run`.

    Returns:
      logits [B, T, V] float32, the state after the last step, and the
      activations by name.
    """
    outputs, carry, params = self.run(tokens, carry, **conditions)
    flat = outputs.reshape(-1, self.hidden_size)
    logits = token_scores.logits(flat, params["head"], params["head_bias"])
    logits = logits.reshape(*outputs.shape[:2], self.vocab_size)
    activations = {"lstm/output": outputs.swapaxes(0, 1)}
    return logits.swapaxes(0, 1), carry, activations

  def score(
    self,
    tokens: jax.Array,
    carry: lstm.LSTMCarry,
    targets: jax.Array,
    weights: jax.Array,
    **conditions: Any,
  ) -> tuple[TokenScores, lstm.LSTMCarry]:
    """Nats of the tokens that follow, without logits for all of them at once
    in the backward pass.

    Args:
      tokens: [B, T] int32 inputs.
      carry: state before the first step, each part [L, B, H].
      targets: [B, T] int32, the tokens that follow.
      weights: [B, T] float32, of each in the total.
      **conditions: see `run`.

    Returns:
      the scores, [B, T] where one a token, and the state after the last step.
    """
    outputs, carry, params = self.run(tokens, carry, **conditions)
    scores = token_scores.score_tokens(
      outputs.reshape(-1, self.hidden_size),
      params["head"],
      params["head_bias"],
      # The core's order, steps before rows: to turn targets costs less.
      targets.T.ravel(),
      weights.T.ravel(),
    )
    nll, correct = (part.reshape(tokens.shape[::-1]).T for part in scores[1:])
    return TokenScores(scores.total, nll, correct), carry

  def run(
    self,
    tokens: jax.Array,
    carry: lstm.LSTMCarry,
    *,
    context: jax.Array | None = None,
    reset: jax.Array | None = None,
    output_masks: jax.Array | None = None,
    position: jax.Array | None = None,
  ) -> tuple[jax.Array, lstm.LSTMCarry, dict[str, jax.Array]]:
    """Runs the core.

    Args:
      tokens: [B, T] int32 inputs.
      carry: state before the first step, each part [L, B, H].
      context: [T, B, G] or [1, B, G] for all steps, added to the first layer's
        gates; what the tokens are conditioned on.
      reset: [B, T] bool; the state is emptied before these inputs.
      output_masks: [L, T, B, H] factors on each layer's outputs (dropout).
      position: [B, T] int32, number in its piece, begin not counted, of the
        token each step predicts; by default that of a piece's first T tokens.
        Read where there is a cycle.

    Returns:
      outputs [T, B, H] of the last layer, the state after the last step, and
      the parameters by name.
    """
    params = self.params()
    dtype = jnp.dtype(self.dtype)
    # The embedding's dtype is that of the core, which casts the weights in its
    # products and so sums their gradients in float32.
    places, bias = None, params["bias"]
    if self.cycle:
      if position is None:
        steps = jnp.arange(tokens.shape[1])[None, :]
        position = jnp.broadcast_to(steps, tokens.shape)
      places = position.T % self.cycle
      bias = params["position"] + bias[None, :]
    gates_in = lstm.embedding_gates(
      params["embedding"].astype(dtype),
      params["kernel"],
      bias,
      tokens.T,
      places,
    )
    if context is not None and len(context) == 1:
      gates_in = lstm.add_to_steps(gates_in, context[0])
    elif context is not None:
      gates_in = gates_in + context.astype(dtype)
    outputs, carry = lstm.lstm(
      _stacked(params),
      gates_in,
      carry,
      reset=None if reset is None else reset.T,
      output_masks=output_masks,
      implementation=self.implementation,
    )
    return outputs, carry, params

  @nn.compact
  def params(self) -> dict[str, jax.Array]:
    """The parameters by name; drawn without running anything."""
    gates, upper = 4 * self.hidden_size, self.layers - 1
    linen = nn.initializers
    # Embeddings of unit scale: with smaller ones the gates hardly see the
    # tokens at first, and training idles for its first hundred steps.
    table = {
      "embedding": (linen.normal(1.0), (self.vocab_size, self.embedding_size)),
      "kernel": (linen.lecun_normal(), (self.embedding_size, gates)),
      "bias": (initializers.forget_bias, (gates,)),
      # On the scale of what a token adds to the gates.
      "position": (linen.normal(1.0), (self.cycle, gates)),
      "recurrent": (
        initializers.orthogonal_layers,
        (self.layers, self.hidden_size, gates),
      ),
      "input": (initializers.lecun_layers, (upper, self.hidden_size, gates)),
      "input_bias": (initializers.forget_bias, (upper, gates)),
      "head": (linen.glorot_uniform(), (self.hidden_size, self.vocab_size)),
      "head_bias": (linen.zeros, (self.vocab_size,)),
    }
    # Orbax writes no arrays without elements, which those of the upper layers
    # are where there is but one layer, and that of the places without a cycle.
    return {
      name: self.param(name, *how)
      for name, how in table.items()
      if 0 not in how[1]
    }

  def zero_carry(self, batch_size: int) -> lstm.LSTMCarry:
    """The empty state of `batch_size` rows."""
    return lstm.initial_carry(self.layers, batch_size, self.hidden_size)


def from_config(model: config_lib.Model, codec: Codec) -> LanguageModel:
  """The network of a config for a codec's vocabulary."""
  return LanguageModel(
    vocab_size=codec.vocab_size,
    embedding_size=model.embedding_size,
    hidden_size=model.hidden_size,
    layers=model.layers,
    dtype=model.dtype,
    cycle=codec.cycle,
    implementation=model.implementation,
  )


@flax.struct.dataclass
class StepParams:
  """Parameters as one step at a time wants them.

  Attributes:
    table: [C, V, G], the first layer's projected input of every token at every
      place; C is 1 where the model is not told the place.
    layers: of the LSTM.
    head: [H, V].
    head_bias: [V] float32.
  """

  table: jax.Array
  layers: tuple[lstm_step.Layer, ...]
  head: jax.Array
  head_bias: jax.Array


def step_params(params: dict[str, Any], dtype: str) -> StepParams:
  """Folds embedding and first projection into one table, once."""
  cast = jax.tree.map(lambda array: jnp.asarray(array, dtype), params)
  table = cast["embedding"] @ cast["kernel"] + cast["bias"][None, :]
  table = table[None]
  if "position" in cast:
    table = table + cast["position"][:, None, :]
  layers = lstm_step.unstack(_stacked(cast))
  return StepParams(table, layers, cast["head"], params["head_bias"])


def step(
  params: StepParams,
  tokens: jax.Array,
  state: lstm_step.State,
  context: jax.Array | None = None,
  position: jax.Array | int = 0,
) -> tuple[jax.Array, lstm_step.State]:
  """One time step: tokens [B] -> logits [B, V] float32 and the new state;
  `context` [B, G] is added to the first layer's gates, `position` is the number
  in the pieces, begin not counted, of the tokens that are predicted."""
  places = jnp.full_like(tokens, position % len(params.table))
  gates_in = params.table[places, tokens]
  if context is not None:
    gates_in += context.astype(gates_in.dtype)
  outputs, state = lstm_step.step(params.layers, gates_in, state)
  return token_scores.logits(outputs, params.head, params.head_bias), state


def _stacked(params: dict[str, jax.Array]) -> dict[str, jax.Array]:
  recurrent = params["recurrent"]
  if "input" not in params:
    return lstm.single_layer(recurrent)
  return {
    "recurrent": recurrent,
    "input": params["input"],
    "bias": params["input_bias"],
  }
