"""A variational autoencoder of windows of music (MusicVAE, Roberts et al.
2018): bidirectional LSTM encoder, latent vector, LSTM decoder.

The decoder is the language model, conditioned on a context. Flat: the context
is z, and one sequence runs through the window. Hierarchical: a conductor LSTM
makes one context a segment (a bar) from z, and every segment starts afresh from
its own, so that the segments run as rows of one batch.

Two short ways make z quick to learn, both linear and by config: the posterior
sees features of every step, and a plan tells the decoder something else at
every step (skip connections as of Dieng et al. 2019).

Letters: B windows, T steps, S segments (1 where flat), D embedding width,
H decoder units, L decoder layers, G = 4H gates, C conductor units, X context
width (Z or C), R planned features a step, V vocabulary, Z latent dimensions.
"""

import flax.linen as nn
import flax.struct
import jax
import jax.numpy as jnp

from musegen_jax import config as config_lib
from musegen_jax.data.codecs.codec import Codec
from musegen_jax.models import gaussian, initializers, language_model, lstm
from musegen_jax.models.encoder import Encoder
from musegen_jax.models.gaussian import Gaussian
from musegen_jax.models.token_scores import TokenScores


class Conductor(nn.Module):
  """One context a segment, by an LSTM that hears z at every step.

  Attributes:
    segments: S.
    hidden_size: C.
    dtype: of the matrix products.
  """

  segments: int
  hidden_size: int
  dtype: str = "float32"

  @nn.compact
  def __call__(self, z: jax.Array) -> jax.Array:
    """Contexts [S, B, C] of latent vectors [B, Z]."""
    gates, dtype = 4 * self.hidden_size, jnp.dtype(self.dtype)
    kernel = self.param(
      "kernel", nn.initializers.lecun_normal(), (z.shape[-1], gates)
    )
    bias = self.param("bias", initializers.forget_bias, (gates,))
    recurrent = self.param(
      "recurrent",
      initializers.orthogonal_layers,
      (1, self.hidden_size, gates),
    )
    gates_in = lstm.input_gates(z[None].astype(dtype), kernel, bias)
    start = nn.Dense(2 * self.hidden_size, name="start")(z)
    h, c = jnp.split(jnp.tanh(start), 2, axis=-1)
    outputs, _ = lstm.lstm(
      lstm.single_layer(recurrent),
      jnp.repeat(gates_in, self.segments, 0),
      lstm.LSTMCarry(h[None], c[None]),
    )
    return outputs


@flax.struct.dataclass
class Conditions:
  """What the decoder is told of each row; the rows are the segments of all
  windows, the windows of the first segment first.

  Attributes:
    carry: the state before the first step, each part [L, S*B, H].
    gates: [T/S, S*B, G], or [1, S*B, G] where all steps hear the same, added
      to the first layer's gates.
  """

  carry: lstm.LSTMCarry
  gates: jax.Array


class VAE(nn.Module):
  """Encoder, latent vector and decoder.

  Attributes:
    vocab_size: V.
    embedding_size: D, of encoder and decoder.
    encoder_size: LSTM units a direction of the encoder.
    hidden_size: H.
    layers: L.
    latent_size: Z.
    begin: the token a decoder starts from.
    steps: T.
    pool_size: of the encoder: features of every step that the posterior sees.
    plan_size: R, features that the context plans for each step; 0 for none.
    segments: S of the hierarchical decoder, 1 for the flat one.
    conductor_size: C; 0 for the flat decoder.
    dtype: of the matrix products; parameters, logits and posterior are
      float32.
    implementation: of the decoder's LSTM, see `lstm.lstm`.
  """

  vocab_size: int
  embedding_size: int
  encoder_size: int
  hidden_size: int
  layers: int
  latent_size: int
  begin: int
  steps: int
  pool_size: int = 0
  plan_size: int = 0
  segments: int = 1
  conductor_size: int = 0
  dtype: str = "float32"
  implementation: str = "auto"

  def setup(self) -> None:
    """Declares the parts."""
    self.encoder = Encoder(
      self.vocab_size,
      self.embedding_size,
      self.encoder_size,
      self.latent_size,
      self.pool_size,
      self.dtype,
    )
    if self.conductor_size:
      self.conductor = Conductor(self.segments, self.conductor_size, self.dtype)
    self.decoder = decoder(self)
    self.to_gates = nn.Dense(4 * self.hidden_size, use_bias=False)
    self.to_carry = nn.Dense(2 * self.layers * self.hidden_size)
    if self.plan_size:
      self.plan = nn.Dense(self.steps // self.segments * self.plan_size)
      self.plan_to_gates = nn.Dense(4 * self.hidden_size, use_bias=False)

  def __call__(
    self, tokens: jax.Array, inputs: jax.Array, noise: jax.Array
  ) -> tuple[jax.Array, Gaussian]:
    """Encodes, draws z and decodes.

    Args:
      tokens: [B, T] int32 windows.
      inputs: [B, T] int32, the same one step later, as the decoder hears it.
      noise: [B, Z] standard normal.

    Returns:
      logits [B, T, V] float32 and the posterior.
    """
    posterior = self.encode(tokens)
    return self.decode(gaussian.sample(posterior, noise), inputs), posterior

  def encode(self, tokens: jax.Array) -> Gaussian:
    """The posterior of windows [B, T] int32, each part [B, Z]."""
    return self.encoder(tokens)

  def conditions(self, z: jax.Array) -> Conditions:
    """What the decoder is told of latent vectors [B, Z]."""
    context = self.conductor(z) if self.conductor_size else z[None]
    context = context.reshape(-1, context.shape[-1]).astype(jnp.float32)
    carry = jnp.tanh(self.to_carry(context))
    carry = carry.reshape(-1, 2, self.layers, self.hidden_size)
    h, c = jnp.moveaxis(carry, 0, 2)
    gates = self.to_gates(context)
    if self.plan_size:
      plan = self.plan(context).reshape(len(context), -1, self.plan_size)
      planned = self.plan_to_gates(plan.swapaxes(0, 1))
      gates = lstm.add_to_steps(planned, gates)
    else:
      gates = gates[None]
    return Conditions(lstm.LSTMCarry(h, c), gates)

  def decode(
    self,
    z: jax.Array,
    inputs: jax.Array,
    output_masks: jax.Array | None = None,
  ) -> jax.Array:
    """Logits of every token of windows, given what came before it.

    Args:
      z: [B, Z].
      inputs: [B, T] int32, begin and then the tokens but the last.
      output_masks: [L, T, B, H] factors on each layer's outputs (dropout).

    Returns:
      logits [B, T, V] float32.
    """
    rows, conditions = self._heard(z, inputs, output_masks)
    return join_segments(self.decoder(*rows, **conditions)[0], self.segments)

  def score(
    self,
    z: jax.Array,
    inputs: jax.Array,
    targets: jax.Array,
    weights: jax.Array,
    output_masks: jax.Array | None = None,
  ) -> TokenScores:
    """Nats of windows' tokens; see `decode` and `LanguageModel.score`.

    Args:
      z: [B, Z].
      inputs: [B, T] int32, begin and then the tokens but the last.
      targets: [B, T] int32, the tokens.
      weights: [B, T] float32, of each in the total.
      output_masks: [L, T, B, H] factors on each layer's outputs (dropout).
    """
    rows, conditions = self._heard(z, inputs, output_masks)
    targets, weights = (
      cut_segments(part, self.segments) for part in (targets, weights)
    )
    scores, _ = self.decoder.score(*rows, targets, weights, **conditions)
    nll, correct = (join_segments(part, self.segments) for part in scores[1:])
    return TokenScores(scores.total, nll, correct)

  def _heard(
    self, z: jax.Array, inputs: jax.Array, output_masks: jax.Array | None
  ) -> tuple[tuple[jax.Array, lstm.LSTMCarry], dict[str, jax.Array | None]]:
    """What the decoder takes: rows and their state, and the conditions."""
    batch, steps = inputs.shape
    conditions = self.conditions(z)
    rows = segment_inputs(inputs, self.segments, self.begin)
    if output_masks is not None:
      masks = output_masks.reshape(
        self.layers, self.segments, -1, batch, self.hidden_size
      )
      output_masks = masks.swapaxes(1, 2).reshape(
        self.layers, steps // self.segments, -1, self.hidden_size
      )
    heard = {"context": conditions.gates, "output_masks": output_masks}
    return (rows, conditions.carry), heard


def cut_segments(windows: jax.Array, segments: int) -> jax.Array:
  """[B, T] -> [S*B, T/S]: the segments as rows."""
  batch, steps = windows.shape
  parts = jnp.asarray(windows).reshape(batch, segments, steps // segments)
  return parts.swapaxes(0, 1).reshape(segments * batch, -1)


def segment_inputs(inputs: jax.Array, segments: int, begin: int) -> jax.Array:
  """[B, T] -> [S*B, T/S]: the segments as rows, each starting from begin.

  No segment hears the one before it: what they share is in z.
  """
  return cut_segments(inputs, segments).at[:, 0].set(begin)


def join_segments(rows: jax.Array, segments: int) -> jax.Array:
  """[S*B, T/S, ...] -> [B, T, ...], the inverse of `cut_segments`."""
  parts = rows.reshape(segments, -1, *rows.shape[1:]).swapaxes(0, 1)
  return parts.reshape(parts.shape[0], -1, *rows.shape[2:])


def decoder(model: VAE) -> language_model.LanguageModel:
  """The language model that decodes; its parameters are params["decoder"]."""
  return language_model.LanguageModel(
    model.vocab_size,
    model.embedding_size,
    model.hidden_size,
    model.layers,
    model.dtype,
    implementation=model.implementation,
  )


def from_config(config: config_lib.Config, codec: Codec) -> VAE:
  """The network of a config for a codec's vocabulary."""
  vae, hierarchical = config.vae, config.vae.decoder == "hierarchical"
  return VAE(
    vocab_size=codec.vocab_size,
    embedding_size=config.model.embedding_size,
    encoder_size=vae.encoder_size,
    hidden_size=config.model.hidden_size,
    layers=config.model.layers,
    latent_size=vae.latent_size,
    begin=codec.begin,
    steps=config.train.window,
    pool_size=vae.pool_size,
    plan_size=vae.plan_size,
    segments=config.train.window // vae.segment_steps if hierarchical else 1,
    conductor_size=vae.conductor_size if hierarchical else 0,
    dtype=config.model.dtype,
    implementation=config.model.implementation,
  )
