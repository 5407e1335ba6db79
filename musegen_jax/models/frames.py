"""LSTMs over piano-roll frames.

Two recurrent parts, either of which may be left out: one LSTM over whole frames
(`context_size`), and one that runs on every key with the same weights
(`key_size`), which hears the last frame by distance from its own key, so that
what is learnt in one key holds in all (after Johnson, Tied Parallel Networks,
2017). A head (`frame_heads`) scores the frame. Letters: B batch, T time step,
N = T * B, K keys, F features a key, H units a key, C context units, D hidden
units a key, M hidden units of NADE.
"""

from typing import NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np

from musegen_jax import config as config_lib
from musegen_jax.data import frames as rolls
from musegen_jax.models import frame_heads, initializers, lstm
from musegen_jax.models.frame_features import (
  FRAME_FEATURES,
  KEY_FEATURES,
  MEMORIES,
  Features,
)

# Positions are heard modulo these: bars of three and four quarters in eighths,
# and their halves, doubles and other grids.
PERIODS = (12, 16)
_PITCH_CLASSES = 12
# A piece's key is heard from the memories by pitch class, from each key up.
_RELATIVE = len(MEMORIES) * _PITCH_CLASSES
LOCAL = KEY_FEATURES + _RELATIVE
_FRAME_INPUTS = FRAME_FEATURES + sum(PERIODS) + 2
# Probability of each key outside the model's range, in every frame.
OUTSIDE = 1e-6


class FrameCarry(NamedTuple):
  """State between two frames.

  Attributes:
    key: of the LSTM on every key, B * K rows, row b * K + k, or None.
    context: of the LSTM over whole frames, B rows, or None.
  """

  key: lstm.LSTMCarry | None
  context: lstm.LSTMCarry | None


class Masks(NamedTuple):
  """Dropout's factors, the same for all keys of a frame.

  Attributes:
    local: [T, B, LOCAL] on what is heard of every key's past.
    before: [T, B, K] on the last frame as other keys hear it.
    key: [T, B, H] on what the LSTM on every key says.
    context: [T, B, C] on what the LSTM over frames says.
    hidden: [2, T, B, D] on the head's hidden units.
  """

  local: jax.Array
  before: jax.Array
  key: jax.Array
  context: jax.Array
  hidden: jax.Array


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
    inside = inside.swapaxes(0, 1).reshape(steps * batch, self.keys)
    hidden_masks = None
    if masks is not None:
      hidden_masks = masks.hidden.reshape(2, steps * batch, -1)
    sounds = inside > 0
    logits = frame_heads.score(self.head, params, hidden, sounds, hidden_masks)
    nll = _bernoulli(logits[..., 0], sounds).sum(-1)
    if self.articulation:
      # Only a key that sounded in the frame before can be held.
      open_keys = sounds & (_lag_one(features, steps, batch) > 0)
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
    steps, batch = reset.T.shape
    count, keys, dtype = steps * batch, self.keys, jnp.dtype(self.dtype)
    gates, activations = 4 * self.key_size, {}

    def flat(array: jax.Array) -> jax.Array:
      return array.swapaxes(0, 1).reshape(count, *array.shape[2:])

    local = flat(features.keys).astype(dtype) / 255
    frame = _frame_inputs(flat(features.frame), flat(features.position), local)
    frame = frame.astype(dtype)
    before = local[..., 0]
    local = jnp.concatenate([local, self._relative(local)], -1)
    last_frame = before
    if masks is not None:
      local = local * masks.local.reshape(count, 1, -1).astype(dtype)
      last_frame = before * masks.before.reshape(count, -1).astype(dtype)
    # One product makes both what the LSTM on every key and what the head hears.
    heard = local.reshape(count * keys, -1) @ params["local"].astype(dtype)
    heard = heard.reshape(count, keys, -1)
    window = frame_heads.toeplitz(params["window"].astype(dtype), keys)
    heard += (last_frame @ window).reshape(heard.shape)
    heard += (frame @ params["frame"].astype(dtype))[:, None]
    heard += params["key"].astype(dtype)[None]
    units = heard[..., gates:]
    logit = jnp.broadcast_to(params["logit"][None], (count, keys))
    nade = None
    if self.key_size:
      gates_in = (
        heard[..., :gates] + params["key_bias"].astype(dtype)[None, None]
      )
      outputs, state = lstm.lstm(
        lstm.single_layer(params["key_recurrent"]),
        gates_in.reshape(steps, batch * keys, gates),
        carry.key,
        reset=jnp.repeat(reset.T, keys, axis=1),
      )
      activations["key/output"] = outputs
      outputs = outputs.reshape(count, keys, self.key_size)
      if masks is not None:
        outputs = outputs * masks.key.reshape(count, 1, -1).astype(dtype)
      flat_outputs = outputs.reshape(count * keys, -1)
      said = flat_outputs @ params["key_out"].astype(dtype)
      units = units + said.reshape(units.shape)
      carry = carry._replace(key=state)
    if self.head == "nade":
      start = frame @ params["nade_frame"].astype(dtype)
      nade = start + before @ params["nade_before"].astype(dtype)
    if self.context_size:
      inputs = jnp.concatenate([before, frame], -1)
      outputs, state = lstm.lstm(
        lstm.single_layer(params["context_recurrent"]),
        lstm.input_gates(
          inputs.reshape(steps, batch, -1),
          params["context_in"],
          params["context_bias"],
        ),
        carry.context,
        reset=reset.T,
      )
      activations["context/output"] = outputs
      if masks is not None:
        outputs = outputs * masks.context.astype(dtype)
      outputs = outputs.reshape(count, -1)
      units = units + (outputs @ params["context_out"].astype(dtype))[:, None]
      logit += outputs @ params["context_logit"].astype(dtype)
      if nade is not None:
        nade += outputs @ params["context_nade"].astype(dtype)
      carry = carry._replace(context=state)
    if nade is not None:
      nade = nade.astype(jnp.float32)
    logit = logit.astype(jnp.float32)
    hidden = frame_heads.Hidden(units, logit, before > 0, nade)
    return hidden, carry, activations

  def _relative(self, local: jax.Array) -> jax.Array:
    """Memories by pitch class from each key up: [N, K, F] -> [N, K, 24]."""
    memories = local[..., -len(MEMORIES) :].swapaxes(1, 2)
    pitch_class = (np.arange(self.keys) + self.low) % _PITCH_CLASSES
    table = np.eye(_PITCH_CLASSES, dtype=np.float32)[pitch_class]
    by_class = memories @ table.astype(memories.dtype)
    up = (pitch_class[:, None] + np.arange(_PITCH_CLASSES)) % _PITCH_CLASSES
    relative = by_class[:, :, up].swapaxes(1, 2)
    return relative.reshape(len(local), self.keys, _RELATIVE)

  def _params(self) -> dict[str, jax.Array]:
    keys, size, head = self.keys, self.head_size, self.head
    gates, context = 4 * self.key_size, self.context_size
    nade = self.nade_size if head == "nade" else 0
    normal = nn.initializers.normal
    lecun, zeros = nn.initializers.lecun_normal(), nn.initializers.zeros
    layer = initializers.orthogonal_layers
    table = {
      "local": (lecun, (LOCAL, gates + size)),
      "window": (normal(0.2), (2 * keys - 1, gates + size)),
      "frame": (normal(0.25), (_FRAME_INPUTS, gates + size)),
      "key": (zeros, (keys, gates + size)),
      "key_bias": (initializers.forget_bias, (gates,)),
      "key_recurrent": (layer, (1, self.key_size, gates)),
      "key_out": (lecun, (self.key_size, size)),
      "context_in": (lecun, (keys + _FRAME_INPUTS, 4 * context)),
      "context_bias": (initializers.forget_bias, (4 * context,)),
      "context_recurrent": (layer, (1, context, 4 * context)),
      "context_out": (lecun, (context, size)),
      "context_logit": (normal(0.01), (context, keys)),
      "context_nade": (lecun, (context, nade)),
      "nade_frame": (lecun, (_FRAME_INPUTS, nade)),
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


def _lag_one(features: Features, steps: int, batch: int) -> jax.Array:
  """Whether each key sounded in the frame before, [N, K]."""
  before = features.keys[..., 0].swapaxes(0, 1)
  return before.reshape(steps * batch, -1)


def _frame_inputs(
  counts: jax.Array, position: jax.Array, local: jax.Array
) -> jax.Array:
  """[N, E], [N], [N, K, F] -> what the frame as a whole says [N, inputs]."""
  phases = [jax.nn.one_hot(position % period, period) for period in PERIODS]
  number = local[..., 0].astype(jnp.float32).sum(1) / 4
  start = (position == 0).astype(jnp.float32)
  scalars = jnp.stack([number, start], 1)
  return jnp.concatenate([counts / 64, *phases, scalars], 1)


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
