"""How a frame is scored and drawn, key by key from low to high.

Three heads, all exact: `sigmoid` takes the keys of a frame as independent
given the past; `nade` (Larochelle & Murray 2011; over time as RNN-NADE,
Boulanger-Lewandowski et al. 2012) adds a hidden layer that sums up the lower
keys, with weights of its own for every key; `autoregressive` hears the lower
keys through weights shared over transposition, by their distance. Letters: N
frames, K keys, D hidden units a key, M NADE's hidden units.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

# Semitones that voices are heard to move, and to stand apart; more is as much.
MOVE, GAP = 13, 24
# One class more each: there is no such voice.
VOICE_INPUTS = 2 * (2 * MOVE + 2) + GAP + 1
HEADS = ("sigmoid", "nade", "autoregressive")
Params = dict[str, jax.Array]


class Hidden(NamedTuple):
  """What the trunk knows before a frame sounds.

  Attributes:
    key: [N, K, D], each key's hidden units before their non-linearity.
    logit: [N, K] float32, what is added to each key's logit.
    before: bool [N, K], keys that sounded in the frame before.
    nade: [N, M] hidden units of `nade` before any key sounds, else None.
  """

  key: jax.Array
  logit: jax.Array
  before: jax.Array
  nade: jax.Array | None


def toeplitz(weights: jax.Array, keys: int) -> jax.Array:
  """[2K - 1, D] by distance -> [K, K * D]: what the key of a row says to the
  key of a column."""
  distance = np.arange(keys)[None, :] - np.arange(keys)[:, None]
  return weights[distance + keys - 1].reshape(keys, -1)


class Voices(NamedTuple):
  """The lower keys of a frame as voices, as the next key meets them.

  Attributes:
    count: int32 [...], keys that sound below.
    last: int32 [...], the highest of them, or -1.
  """

  count: jax.Array
  last: jax.Array


def _ranked(before: jax.Array) -> jax.Array:
  """Keys [N, K + 1] that sounded in the frame before, from low to high, then
  -1."""
  count, keys = before.shape
  order = jnp.where(before, jnp.arange(keys)[None], keys)
  ranked = jnp.sort(order, axis=1)
  none = jnp.full((count, 1), keys)
  ranked = jnp.concatenate([ranked, none], 1)
  return jnp.where(ranked == keys, -1, ranked)


def _voice_inputs(
  ranked: jax.Array, voices: Voices, key: jax.Array
) -> jax.Array:
  """One-hot classes [N, X, VOICE_INPUTS]: how far each of X keys is from where
  its voice was, how far the voice below it moved, and how far it is from it.

  `ranked` [N, K + 1], `voices` [N, X], `key` [X] or [N, X].
  """
  own = jnp.take_along_axis(ranked, voices.count, axis=1)
  below = jnp.take_along_axis(ranked, jnp.maximum(voices.count - 1, 0), axis=1)
  alone = voices.last < 0
  lead = jnp.clip(key - own, -MOVE, MOVE) + MOVE
  move = jnp.clip(voices.last - below, -MOVE, MOVE) + MOVE
  gap = jnp.clip(key - voices.last, 1, GAP) - 1
  none = 2 * MOVE + 1
  return jnp.concatenate(
    [
      jax.nn.one_hot(jnp.where(own < 0, none, lead), none + 1),
      jax.nn.one_hot(jnp.where(alone | (below < 0), none, move), none + 1),
      jax.nn.one_hot(jnp.where(alone, GAP, gap), GAP + 1),
    ],
    -1,
  )


def _upwards(params: Params, keys: int, dtype: jnp.dtype) -> jax.Array:
  """[2K - 1, D] by distance: a key says nothing to itself nor downwards."""
  below = params["below"].astype(dtype)
  return jnp.concatenate([jnp.zeros((keys, below.shape[1]), dtype), below])


def _outputs(
  params: Params, hidden: jax.Array, masks: jax.Array | None
) -> jax.Array:
  """Hidden units [N, K, D] before their non-linearity -> outputs [N, K, 2]:
  logits of sounding, and of being held where the key sounded before.

  `masks` [2, N, D] are dropout's factors, the same for all keys.
  """
  shape = hidden.shape
  first = jax.nn.gelu(hidden)
  if masks is not None:
    first *= masks[0][:, None]
  flat = first.reshape(-1, shape[-1])
  second = flat @ params["mix"].astype(flat.dtype)
  second += params["mix_bias"].astype(flat.dtype)[None]
  both = first + jax.nn.gelu(second).reshape(shape)
  if masks is not None:
    both *= masks[1][:, None]
  flat = both.reshape(-1, shape[-1])
  outputs = jnp.dot(
    flat, params["out"].astype(flat.dtype), preferred_element_type=jnp.float32
  )
  return outputs.reshape(*shape[:2], 2) + params["out_bias"][None, None]


def score(
  head: str,
  params: Params,
  hidden: Hidden,
  frames: jax.Array,
  masks: jax.Array | None = None,
) -> jax.Array:
  """Logits [N, K, 2] float32 of the keys of frames [N, K] (1 where a key
  sounds), each given the lower keys of its frame; see `_outputs`."""
  units = hidden.key
  keys = units.shape[1]
  dtype = units.dtype
  if head == "autoregressive":
    weights = toeplitz(_upwards(params, keys, dtype), keys)
    units = units + (frames.astype(dtype) @ weights).reshape(units.shape)
    key = jnp.arange(keys)[None]
    sounding = jnp.where(frames, key, -1)
    # Exclusive: a key does not hear itself.
    last = jax.lax.cummax(sounding, axis=1)
    last = jnp.pad(last, ((0, 0), (1, 0)), constant_values=-1)[:, :-1]
    voices = Voices(jnp.cumsum(frames, axis=1) - frames, last)
    heard = _voice_inputs(_ranked(hidden.before), voices, key)
    heard = heard.astype(dtype).reshape(-1, VOICE_INPUTS)
    units += (heard @ params["voices"].astype(dtype)).reshape(units.shape)
  outputs = _outputs(params, units, masks)
  logits = outputs[..., 0] + hidden.logit
  if head == "nade":
    logits += _nade_logits(params, hidden.nade, frames)
  return jnp.stack([logits, outputs[..., 1]], -1)


def _nade_logits(
  params: Params, start: jax.Array, frames: jax.Array
) -> jax.Array:
  """[N, K]: one scan over the keys, the hidden units growing by the weights of
  each that sounds."""

  def step(units: jax.Array, key: tuple) -> tuple[jax.Array, jax.Array]:
    into, out, sounds = key
    logits = jax.nn.sigmoid(units) @ out
    return units + sounds[:, None] * into[None], logits

  keys = (params["nade_in"], params["nade_out"], frames.T.astype(start.dtype))
  return jax.lax.scan(step, start, keys)[1].T.astype(jnp.float32)


def draw(
  head: str,
  params: Params,
  hidden: Hidden,
  uniforms: jax.Array,
  temperature: float | jax.Array = 1.0,
) -> tuple[jax.Array, jax.Array]:
  """Draws frames, each key by the inverse of its distribution.

  Args:
    head: one of HEADS.
    params: the head's.
    hidden: of N frames.
    uniforms: [N, K] in [0, 1).
    temperature: divides every logit.

  Returns:
    bool [N, K], whether each key sounds, and the logits [N, K] float32 of being
    held where the key sounded before.
  """
  count, keys, _ = hidden.key.shape
  ranked = _ranked(hidden.before)

  def step(state: tuple, key: jax.Array) -> tuple[tuple, tuple]:
    units, nade, voices = state
    own = jax.lax.dynamic_slice_in_dim(units, key, 1, 1)
    if head == "autoregressive":
      heard = _voice_inputs(ranked, voices, key).astype(units.dtype)
      own += (heard[:, 0] @ params["voices"].astype(units.dtype))[:, None]
    outputs = _outputs(params, own, None)[:, 0]
    logit = outputs[:, 0] + hidden.logit[:, key]
    if head == "nade":
      logit += jax.nn.sigmoid(nade) @ params["nade_out"][key]
    sounds = uniforms[:, key] < jax.nn.sigmoid(logit / temperature)
    if head == "nade":
      nade += sounds[:, None] * params["nade_in"][key][None]
    if head == "autoregressive":
      table = _upwards(params, keys, units.dtype)
      said = jax.lax.dynamic_slice_in_dim(table, keys - 1 - key, keys)
      units += sounds[:, None, None] * said[None]
    voices = Voices(
      voices.count + sounds[:, None],
      jnp.where(sounds[:, None], key, voices.last),
    )
    return (units, nade, voices), (sounds, outputs[:, 1])

  none = jnp.full((count, 1), -1)
  start = (hidden.key, hidden.nade, Voices(jnp.zeros_like(none), none))
  _, (sounds, held) = jax.lax.scan(step, start, jnp.arange(keys))
  return sounds.T, held.T
