"""LSTMs over piano-roll frames.

Two recurrent parts, either of which may be left out: one LSTM over whole frames
(`context_size`), and one that runs on every key with the same weights
(`key_size`), which hears the last frame by distance from its own key, so that
what is learnt in one key holds in all (after Johnson, Tied Parallel Networks,
2017); `frame_trunk` runs them. A head (`frame_heads`) scores the frame.
Letters: B batch, T time step, K keys, H units a key, C context units, D hidden
units a key, M hidden units of NADE.
"""

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np

from musegen_jax import config as config_lib
from musegen_jax.data import frames as rolls
from musegen_jax.models import frame_heads, frame_trunk, initializers, lstm
from musegen_jax.models.frame_features import Features
from musegen_jax.models.frame_trunk import LOCAL, FrameCarry, Masks

# Probability of each key outside the model's range, in every frame.
OUTSIDE = 1e-6


class FrameModel(nn.Module):
  """Scores frames given those before them.

  Attributes:
    low: first key of the model's range, 0..87.
    keys: K; keys outside the range sound with probability OUTSIDE.
    head: one of frame_heads.HEADS.
    key_size: H, 0 for none.
    context_size: C, 0 for none.
    head_size: D.
    nade_size: M.
    articulation: whether held and struck are told apart.
    dtype: of the matrix products.
  """

  low: int
  keys: int
  head: str
  key_size: int
  context_size: int
  head_size: int
  nade_size: int
  articulation: bool
  dtype: str = "float32"

  @nn.compact
  def __call__(
    self,
    features: Features,
    frames: jax.Array,
    carry: FrameCarry,
    *,
    reset: jax.Array,
    masks: Masks | None = None,
  ) -> tuple[jax.Array, FrameCarry, dict[str, jax.Array]]:
    """Scores frames.

    Args:
      features: of B pieces, T frames each: [B, T, ...].
      frames: uint8 [B, T, 88] the frames themselves.
      carry: before the first.
      reset: bool [B, T], the state is emptied before these frames.
      masks: dropout.

    Returns:
      nats of each frame [B, T] float32, the state after the last, and the
      activations by name.
    """
    params = self._params()
    hidden, carry, activations = self._trunk(
      params, features, carry, reset, masks
    )
    steps, batch = reset.T.shape
    inside = frames[..., self.low : self.low + self.keys]
    inside = frame_trunk.in_order_of_time(inside)
    hidden_masks = None
    if masks is not None:
      hidden_masks = masks.hidden.reshape(2, steps * batch, -1)
    sounds = inside > 0
    logits = frame_heads.score(self.head, params, hidden, sounds, hidden_masks)
    nll = _bernoulli(logits[..., 0], sounds).sum(-1)
    if self.articulation:
      # Only a key that sounded in the frame before can be held.
      open_keys = sounds & hidden.before
      held = _bernoulli(logits[..., 1], inside == rolls.HELD)
      nll += (held * open_keys).sum(-1)
    nll = nll.reshape(steps, batch).T
    nll += self._outside(frames)
    return nll, carry, activations

  def step(
    self, features: Features, carry: FrameCarry
  ) -> tuple[frame_heads.Hidden, FrameCarry]:
    """One frame of B pieces, features [B, ...]: what `frame_heads.draw` wants
    and the state after it."""
    features = jax.tree.map(lambda array: array[:, None], features)
    reset = jnp.zeros(features.position.shape, bool)
    params = self.variables["params"]
    hidden, carry, _ = self._trunk(params, features, carry, reset, None)
    return hidden, carry

  def _outside(self, frames: jax.Array) -> jax.Array:
    """Nats [B, T] of the keys outside the model's range."""
    others = rolls.KEYS - self.keys
    everywhere = (frames > 0).sum(-1)
    inside = (frames[..., self.low : self.low + self.keys] > 0).sum(-1)
    odds = np.log(OUTSIDE) - np.log1p(-OUTSIDE)
    return -others * np.log1p(-OUTSIDE) - odds * (everywhere - inside)

  def _trunk(
    self,
    params: dict[str, jax.Array],
    features: Features,
    carry: FrameCarry,
    reset: jax.Array,
    masks: Masks | None,
  ) -> tuple[frame_heads.Hidden, FrameCarry, dict[str, jax.Array]]:
    dtype = jnp.dtype(self.dtype)
    return frame_trunk.run(
      params, features, carry, reset, masks, low=self.low, dtype=dtype
    )

  def _params(self) -> dict[str, jax.Array]:
    keys, size, head = self.keys, self.head_size, self.head
    gates, context = 4 * self.key_size, self.context_size
    nade = self.nade_size if head == "nade" else 0
    inputs = frame_trunk.FRAME_INPUTS
    normal = nn.initializers.normal
    lecun, zeros = nn.initializers.lecun_normal(), nn.initializers.zeros
    layer = initializers.orthogonal_layers
    table = {
      "local": (lecun, (LOCAL, gates + size)),
      "window": (normal(0.2), (2 * keys - 1, gates + size)),
      "frame": (normal(0.25), (inputs, gates + size)),
      "key": (zeros, (keys, gates + size)),
      "key_bias": (initializers.forget_bias, (gates,)),
      "key_recurrent": (layer, (1, self.key_size, gates)),
      "key_out": (lecun, (self.key_size, size)),
      "context_in": (lecun, (keys + inputs, 4 * context)),
      "context_bias": (initializers.forget_bias, (4 * context,)),
      "context_recurrent": (layer, (1, context, 4 * context)),
      "context_out": (lecun, (context, size)),
      "context_logit": (normal(0.01), (context, keys)),
      "context_nade": (lecun, (context, nade)),
      "nade_frame": (lecun, (inputs, nade)),
      "nade_before": (normal(0.2), (keys, nade)),
      "nade_in": (normal(0.2), (keys, nade)),
      "nade_out": (normal(0.01), (keys, nade)),
      "mix": (lecun, (size, size)),
      "mix_bias": (zeros, (size,)),
      "out": (normal(0.3 / np.sqrt(size)), (size, 2)),
      "out_bias": (zeros, (2,)),
      # Few keys sound at a time.
      "logit": (nn.initializers.constant(-3.0), (keys,)),
    }
    if head == "autoregressive":
      table["below"] = (normal(0.2), (keys - 1, size))
      table["voices"] = (normal(0.2), (frame_heads.VOICE_INPUTS, size))
    # Orbax writes no arrays without elements.
    return {
      name: self.param(name, *how)
      for name, how in table.items()
      if 0 not in how[1]
    }

  def zero_carry(self, batch_size: int) -> FrameCarry:
    """The empty state of `batch_size` rows."""
    key, context = self.key_size, self.context_size
    rows = batch_size * self.keys
    return FrameCarry(
      lstm.initial_carry(1, rows, key) if key else None,
      lstm.initial_carry(1, batch_size, context) if context else None,
    )


def _bernoulli(logits: jax.Array, happens: jax.Array) -> jax.Array:
  """Nats of what happens under independent logits, elementwise."""
  return jax.nn.softplus(jnp.where(happens, -logits, logits))


def from_config(config: config_lib.Config) -> FrameModel:
  """The network of a config."""
  frames = config.frames
  return FrameModel(
    low=frames.lowest_pitch - rolls.LOWEST,
    keys=frames.highest_pitch - frames.lowest_pitch + 1,
    head=frames.head,
    key_size=frames.key_size,
    context_size=frames.context_size,
    head_size=frames.head_size,
    nade_size=frames.nade_size,
    articulation=frames.articulation,
    dtype=config.model.dtype,
  )
