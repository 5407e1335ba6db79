"""Sampling frames: one batched, jitted scan over the frames of the pieces.

Letters: B pieces, N frames of the longest, T frames of one, K keys.
"""

import functools
from collections.abc import Sequence

import flax.struct
import jax
import jax.numpy as jnp
import numpy as np

from musegen_jax.data import frames as rolls
from musegen_jax.data.codecs.codec import Codec
from musegen_jax.data.frames import HELD, KEYS, STRUCK
from musegen_jax.models import frame_features, frame_heads
from musegen_jax.models import frames as frames_lib
from musegen_jax.models.frame_features import Past
from musegen_jax.sampling.decode import Lengths
from musegen_jax.sampling.strategies import Strategy

# Uses of randomness within a frame.
_SOUNDS, _HELD, _OUTSIDE = range(3)


@flax.struct.dataclass
class DecodeState:
  """Where a batch of pieces stands.

  Attributes:
    frames: uint8 [B, N, 88], silent from the current frame on.
    past: of each piece, leading axis B.
    carry: the model's state.
  """

  frames: jax.Array
  past: Past
  carry: frames_lib.FrameCarry


def _uniforms(
  seed: jax.Array, indices: jax.Array, step: jax.Array, use: int
) -> jax.Array:
  """[B, 88] in [0, 1), addressed by (seed, index of the piece, frame, use)."""

  def row(index: jax.Array) -> jax.Array:
    key = jax.random.fold_in(jax.random.key(seed), index)
    key = jax.random.fold_in(jax.random.fold_in(key, step), use)
    return jax.random.uniform(key, (KEYS,))

  return jax.vmap(row)(indices)


@functools.partial(jax.jit, static_argnames="model")
def _sample(
  params: dict,
  primers: jax.Array,
  begun: jax.Array,
  indices: jax.Array,
  seed: jax.Array,
  temperature: jax.Array,
  *,
  model: frames_lib.FrameModel,
) -> jax.Array:
  """Frames [B, N, 88] that begin with primers, [B, N, 88] of which the first
  begun [B] count."""
  batch, room, _ = primers.shape
  inside = slice(model.low, model.low + model.keys)

  def step(state: DecodeState, number: jax.Array) -> tuple[DecodeState, None]:
    own = state.frames[..., inside]
    features = jax.vmap(frame_features.look)(own, state.past)
    hidden, carry = model.apply(
      {"params": params}, features, state.carry, method="step"
    )
    draws = [
      _uniforms(seed, indices, number, use)
      for use in (_SOUNDS, _HELD, _OUTSIDE)
    ]
    sounds, held = frame_heads.draw(
      model.head, params, hidden, draws[0][:, inside], temperature
    )
    before = features.keys[..., 0] > 0
    if model.articulation:
      held = draws[1][:, inside] < jax.nn.sigmoid(held / temperature)
    else:
      # The model does not tell; what sounds on is taken as held.
      held = jnp.ones_like(sounds)
    cells = sounds * jnp.where(before & held, HELD, STRUCK)
    drawn = (draws[2] < frames_lib.OUTSIDE).astype(jnp.uint8) * STRUCK
    drawn = drawn.at[:, inside].set(cells.astype(jnp.uint8))
    given = jax.lax.dynamic_index_in_dim(primers, number, 1, keepdims=False)
    frame = jnp.where((number < begun)[:, None], given, drawn)
    frames = jax.lax.dynamic_update_index_in_dim(state.frames, frame, number, 1)
    past = jax.vmap(frame_features.push)(frames[..., inside], state.past)
    return DecodeState(frames, past, carry), None

  nothing = frame_features.nothing(room, model.keys)
  start = DecodeState(
    frames=jnp.zeros_like(primers),
    past=jax.tree.map(lambda a: jnp.stack([a] * batch), nothing),
    carry=model.zero_carry(batch),
  )
  return jax.lax.scan(step, start, jnp.arange(room))[0].frames


def sample(
  params: dict,
  model: frames_lib.FrameModel,
  *,
  indices: np.ndarray,
  primers: Sequence[np.ndarray],
  length: int,
  temperature: float,
  seed: int,
) -> list[np.ndarray]:
  """Samples one batch of pieces.

  Args:
    params: the model's.
    model: the network.
    indices: [B] numbers of the pieces; with `seed` they address all
      randomness, so that a piece depends on nothing else in the batch.
    primers: B rolls uint8 [T, 88] that the pieces begin with; may be empty.
    length: frames after the primer.
    temperature: divides every logit.
    seed: of all pieces.

  Returns:
    B rolls uint8 [T, 88].
  """
  begun = np.array([len(primer) for primer in primers])
  padded = np.zeros((len(primers), begun.max() + length, KEYS), np.uint8)
  for row, primer in zip(padded, primers, strict=True):
    row[: len(primer)] = primer
  frames = _sample(
    params, padded, begun, indices, seed, temperature, model=model
  )
  ends = begun + length
  return [
    roll[:end] for roll, end in zip(np.asarray(frames), ends, strict=True)
  ]


def sample_tokens(
  params: dict,
  model: frames_lib.FrameModel,
  codec: Codec,
  *,
  indices: np.ndarray,
  primers: Sequence[np.ndarray],
  lengths: Lengths,
  strategy: Strategy,
  seed: int,
) -> list[np.ndarray]:
  """Samples one batch of pieces as tokens of codec `frames`; all else as in
  `decode.sample`.

  Of `lengths` only `seconds` counts, which every piece lasts after its primer;
  of `strategy` only the temperature, at which 0 takes the likelier state of
  each key given the lower ones.
  """
  drawn = sample(
    params,
    model,
    indices=indices,
    primers=[rolls.from_tokens(primer, codec) for primer in primers],
    length=max(1, round(lengths.seconds / codec.seconds_per_step)),
    temperature=strategy.temperature,
    seed=seed,
  )
  return [rolls.to_tokens(roll, codec) for roll in drawn]
