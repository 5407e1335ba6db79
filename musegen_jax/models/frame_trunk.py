"""What a model of frames knows before each frame: its inputs and both LSTMs.

Pure functions of the parameters, whose shapes say what there is. Letters: B
batch, T time step, N = T * B, K keys, F features a key, H units a key, C
context units, D hidden units a key, M hidden units of NADE.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from musegen_jax.models import frame_heads, lstm
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
FRAME_INPUTS = FRAME_FEATURES + sum(PERIODS) + 2

Params = dict[str, jax.Array]


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


class Inputs(NamedTuple):
  """What is heard before each frame.

  Attributes:
    local: [N, K, LOCAL], of each key.
    before: [N, K], 1 where a key sounded in the frame before.
    frame: [N, FRAME_INPUTS], of the frame as a whole.
  """

  local: jax.Array
  before: jax.Array
  frame: jax.Array


def run(
  params: Params,
  features: Features,
  carry: FrameCarry,
  reset: jax.Array,
  masks: Masks | None,
  *,
  low: int,
  dtype: jnp.dtype,
) -> tuple[frame_heads.Hidden, FrameCarry, dict[str, jax.Array]]:
  """Runs both LSTMs over B pieces.

  Args:
    params: the model's.
    features: [B, T, ...].
    carry: before the first frame.
    reset: bool [B, T], the state is emptied before these frames.
    masks: dropout.
    low: first key of the model's range.
    dtype: of the matrix products.

  Returns:
    what the head wants, N = T * B rows in order of time; the state after the
    last frame; the LSTMs' outputs by name.
  """
  inputs = _inputs(features, low, dtype)
  count, keys = inputs.before.shape
  heard = _heard(params, inputs, masks)
  gates = heard.shape[2] - len(params["mix"])
  units, activations = heard[..., gates:], {}
  logit = jnp.broadcast_to(params["logit"][None], (count, keys))
  nade = _nade_start(params, inputs)
  if gates:
    said, state, activations["key/output"] = _on_keys(
      params, heard[..., :gates], carry.key, reset, masks
    )
    units = units + said
    carry = carry._replace(key=state)
  if "context_recurrent" in params:
    outputs, state, activations["context/output"] = _over_frames(
      params, inputs, carry.context, reset, masks
    )
    units = units + (outputs @ params["context_out"].astype(dtype))[:, None]
    logit += outputs @ params["context_logit"].astype(dtype)
    if nade is not None:
      nade += outputs @ params["context_nade"].astype(dtype)
    carry = carry._replace(context=state)
  if nade is not None:
    nade = nade.astype(jnp.float32)
  logit = logit.astype(jnp.float32)
  hidden = frame_heads.Hidden(units, logit, inputs.before > 0, nade)
  return hidden, carry, activations


def in_order_of_time(array: jax.Array) -> jax.Array:
  """[B, T, ...] -> [N, ...], row t * B + b."""
  return array.swapaxes(0, 1).reshape(-1, *array.shape[2:])


def _inputs(features: Features, low: int, dtype: jnp.dtype) -> Inputs:
  keys, frame, position = map(in_order_of_time, features)
  keys = keys.astype(dtype) / 255
  frame = _frame_inputs(frame, position, keys).astype(dtype)
  before = keys[..., 0]
  return Inputs(
    jnp.concatenate([keys, _relative(keys, low)], -1), before, frame
  )


def _relative(keys: jax.Array, low: int) -> jax.Array:
  """Memories by pitch class from each key up: [N, K, F] -> [N, K, 24]."""
  memories = keys[..., -len(MEMORIES) :].swapaxes(1, 2)
  count, keys_count = keys.shape[:2]
  pitch_class = (np.arange(keys_count) + low) % _PITCH_CLASSES
  table = np.eye(_PITCH_CLASSES, dtype=np.float32)[pitch_class]
  by_class = memories @ table.astype(memories.dtype)
  up = (pitch_class[:, None] + np.arange(_PITCH_CLASSES)) % _PITCH_CLASSES
  relative = by_class[:, :, up].swapaxes(1, 2)
  return relative.reshape(count, keys_count, _RELATIVE)


def _frame_inputs(
  counts: jax.Array, position: jax.Array, keys: jax.Array
) -> jax.Array:
  """[N, E], [N], [N, K, F] -> [N, FRAME_INPUTS]."""
  phases = [jax.nn.one_hot(position % period, period) for period in PERIODS]
  number = keys[..., 0].astype(jnp.float32).sum(1) / 4
  start = (position == 0).astype(jnp.float32)
  scalars = jnp.stack([number, start], 1)
  return jnp.concatenate([counts / 64, *phases, scalars], 1)


def _heard(params: Params, inputs: Inputs, masks: Masks | None) -> jax.Array:
  """[N, K, 4H + D]: one product makes both what the LSTM on every key and what
  the head hears."""
  local, before, frame = inputs
  count, keys = before.shape
  dtype = local.dtype
  if masks is not None:
    local = local * masks.local.reshape(count, 1, -1).astype(dtype)
    before = before * masks.before.reshape(count, -1).astype(dtype)
  heard = local.reshape(count * keys, -1) @ params["local"].astype(dtype)
  heard = heard.reshape(count, keys, -1)
  window = frame_heads.toeplitz(params["window"].astype(dtype), keys)
  heard += (before @ window).reshape(heard.shape)
  heard += (frame @ params["frame"].astype(dtype))[:, None]
  return heard + params["key"].astype(dtype)[None]


def _nade_start(params: Params, inputs: Inputs) -> jax.Array | None:
  """[N, M] hidden units before any key sounds, less what the context says."""
  if "nade_in" not in params:
    return None
  start = inputs.frame @ params["nade_frame"].astype(inputs.frame.dtype)
  before = params["nade_before"].astype(inputs.before.dtype)
  return start + inputs.before @ before


def _on_keys(
  params: Params,
  heard: jax.Array,
  carry: lstm.LSTMCarry,
  reset: jax.Array,
  masks: Masks | None,
) -> tuple[jax.Array, lstm.LSTMCarry, jax.Array]:
  """What the LSTM on every key says to the head [N, K, D], its state and its
  outputs [T, B * K, H], from its gates [N, K, 4H] without their bias."""
  count, keys, gates = heard.shape
  dtype = heard.dtype
  steps, batch = reset.T.shape
  gates_in = heard + params["key_bias"].astype(dtype)[None, None]
  outputs, state = lstm.lstm(
    lstm.single_layer(params["key_recurrent"]),
    gates_in.reshape(steps, batch * keys, gates),
    carry,
    reset=jnp.repeat(reset.T, keys, axis=1),
  )
  kept = outputs.reshape(count, keys, -1)
  if masks is not None:
    kept = kept * masks.key.reshape(count, 1, -1).astype(dtype)
  flat = kept.reshape(count * keys, -1)
  said = flat @ params["key_out"].astype(dtype)
  return said.reshape(count, keys, -1), state, outputs


def _over_frames(
  params: Params,
  inputs: Inputs,
  carry: lstm.LSTMCarry,
  reset: jax.Array,
  masks: Masks | None,
) -> tuple[jax.Array, lstm.LSTMCarry, jax.Array]:
  """What the LSTM over whole frames says [N, C], its state and its outputs
  [T, B, C]."""
  steps, batch = reset.T.shape
  heard = jnp.concatenate([inputs.before, inputs.frame], -1)
  gates_in = lstm.input_gates(
    heard.reshape(steps, batch, -1),
    params["context_in"],
    params["context_bias"],
  )
  outputs, state = lstm.lstm(
    lstm.single_layer(params["context_recurrent"]),
    gates_in,
    carry,
    reset=reset.T,
  )
  kept = outputs
  if masks is not None:
    kept = kept * masks.context.astype(kept.dtype)
  return kept.reshape(steps * batch, -1), state, outputs
