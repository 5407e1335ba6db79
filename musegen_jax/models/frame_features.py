"""What a model of frames hears of the past of a piece, computed as it grows.

One definition serves training, which runs it over whole pieces once, and
sampling, which runs it frame by frame. Letters: T frames, K keys, F features a
key, E features a frame, N positions the past has room for.
"""

from typing import NamedTuple

import flax.struct
import jax
import jax.numpy as jnp
import numpy as np
import tqdm

from musegen_jax.data.frames import Rolls

# Whether the key sounded so many frames ago.
LAGS = (1, 2, 3, 4, 6, 8, 12, 16, 24, 32)
# What followed where the last so many frames stood earlier in the piece.
ORDERS = (1, 2, 4, 8)
# Decay a frame of the running share of time that a key sounds.
MEMORIES = (0.8, 0.97)

# One channel more: whether the key was struck in the last frame, and what
# followed the longest repeat.
KEY_FEATURES = len(LAGS) + 1 + len(ORDERS) + 1 + len(MEMORIES)
FRAME_FEATURES = len(ORDERS) + 1
_COUNT_SCALE = 16  # levels an octave of counts has
_SMALLEST = 32  # frames; the compiled lengths are this times powers of two


class Features(NamedTuple):
  """What is known before a frame sounds.

  Attributes:
    keys: uint8 [..., K, F], in units of 1/255: lags, struck, what followed
      (one channel an order, then the longest), memories.
    frame: uint8 [..., E], 16 log2(1 + n): earlier places of each order, then
      the length of the longest repeat.
    position: int32 [...], frames before this one; 0 starts a piece.
  """

  keys: jax.Array
  frame: jax.Array
  position: jax.Array


@flax.struct.dataclass
class Past:
  """What carries from frame to frame beside the frames themselves.

  Attributes:
    repeats: int32 [N]; frames up to now that equal as many up to there.
    memories: float32 [len(MEMORIES), K].
    count: int32, frames so far.
  """

  repeats: jax.Array
  memories: jax.Array
  count: jax.Array


def nothing(room: int, keys: int) -> Past:
  """The past before the first frame, with room for `room` frames."""
  return Past(
    repeats=jnp.zeros(room, jnp.int32),
    memories=jnp.zeros((len(MEMORIES), keys), jnp.float32),
    count=jnp.zeros((), jnp.int32),
  )


def _as_bytes(values: jax.Array) -> jax.Array:
  return jnp.round(values).astype(jnp.uint8)


def look(frames: jax.Array, past: Past) -> Features:
  """Features of the frame that comes next.

  Args:
    frames: uint8 [N, K], the piece; only its first `past.count` rows matter.
    past: after those.
  """
  count = past.count
  sounds = (frames > 0).astype(jnp.float32)
  back = jnp.array(LAGS)
  lags = sounds[jnp.maximum(count - back, 0)] * (count >= back)[:, None]
  struck = (frames[jnp.maximum(count - 1, 0)] == 1) & (count > 0)
  # Position s repeats up to now, so s + 1 is what followed then.
  places = past.repeats[None, :-1] >= jnp.array(ORDERS)[:, None]
  found = places.sum(1)
  followed = places.astype(jnp.float32) @ sounds[1:]
  followed /= jnp.maximum(found, 1)[:, None]
  longest = past.repeats[:-1].max()
  latest = len(past.repeats) - 2 - past.repeats[:-1][::-1].argmax()
  after_longest = sounds[latest + 1] * (longest > 0)
  keys = jnp.concatenate(
    [lags, struck[None], followed, after_longest[None], past.memories]
  )
  counts = jnp.append(found, longest).astype(jnp.float32)
  return Features(
    keys=_as_bytes(255 * keys.T),
    frame=_as_bytes(_COUNT_SCALE * jnp.log2(1 + counts)),
    position=count,
  )


def push(frames: jax.Array, past: Past) -> Past:
  """The past once frame `past.count` of `frames` [N, K] has sounded."""
  sounds = frames > 0
  now = sounds[past.count]
  earlier = jnp.arange(len(sounds)) < past.count
  same = (sounds == now[None]).all(1) & earlier
  before = jnp.append(0, past.repeats[:-1])
  decay = jnp.array(MEMORIES)[:, None]
  memories = decay * past.memories + (1 - decay) * now[None]
  return Past(jnp.where(same, before + 1, 0), memories, past.count + 1)


@jax.jit
def _of_padded(frames: jax.Array) -> Features:
  def step(past: Past, _: None) -> tuple[Past, Features]:
    return push(frames, past), look(frames, past)

  start = nothing(*frames.shape)
  return jax.lax.scan(step, start, length=len(frames))[1]


def of_piece(frames: np.ndarray) -> Features:
  """Features of every frame of a piece uint8 [T, K], on the host; those of a
  frame depend on the frames before it alone."""
  room = _SMALLEST
  while room < len(frames):
    room *= 2
  padded = np.zeros((room, frames.shape[1]), np.uint8)
  padded[: len(frames)] = frames
  features = jax.device_get(_of_padded(padded))
  return Features(*(array[: len(frames)] for array in features))


class Heard(NamedTuple):
  """A split as a model of frames takes it, F frames end to end.

  Attributes:
    features: of every frame, [F, ...].
    frames: uint8 [F, 88], the frames themselves.
  """

  features: Features
  frames: jax.Array


def of_rolls(split: Rolls, low: int, keys: int, name: str) -> Heard:
  """Features of every frame of a split, for `keys` keys from `low`, on the
  host; `name` of the split stands before the progress bar."""
  every = [
    of_piece(split.piece(number)[:, low : low + keys])
    for number in tqdm.trange(len(split), desc=f"hear {name}", delay=2)
  ]
  joined = Features(
    *(np.concatenate(each) for each in zip(*every, strict=True))
  )
  return Heard(joined, split.frames)


def take(
  heard: Heard, index: jax.Array, shift: jax.Array | None = None
) -> Heard:
  """The frames of a batch.

  Args:
    heard: a split, on the host or on a device; so is the result.
    index: int [B, T], into its frames.
    shift: int [B, T], keys by which each frame is moved up, or None.
  """
  chosen = jax.tree.map(lambda array: array[index], heard)
  if shift is None:
    return chosen
  keys = _moved_up(chosen.features.keys, shift, axis=-2)
  frames = _moved_up(chosen.frames, shift, axis=-1)
  return Heard(chosen.features._replace(keys=keys), frames)


def _moved_up(array: jax.Array, shift: jax.Array, axis: int) -> jax.Array:
  xp = array.__array_namespace__()
  count = array.shape[axis]
  where = (xp.arange(count)[None, None] - shift[..., None]) % count
  if axis == -2:
    where = where[..., None]
  return xp.take_along_axis(array, where, axis=axis)
