"""What is heard of the past, held against its definition by loops."""

import jax
import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as st_numpy

from musegen_jax.models import frame_features
from musegen_jax.models.frame_features import (
  LAGS,
  MEMORIES,
  ORDERS,
  Features,
  Heard,
)
from tests import toy_rolls
from tests.models import toy_frames

KEYS = 3
# Few kinds of frames, so that they repeat.
pieces = st_numpy.arrays(
  np.uint8,
  st.tuples(st.integers(1, 14), st.just(KEYS)),
  elements=st.sampled_from([0, 0, 1, 2]),
)


def repeated(sounds: np.ndarray, end: int) -> int:
  """How many frames up to number `end` equal as many up to the last one."""
  length, last = 0, len(sounds) - 1
  while length <= end and (sounds[end - length] == sounds[last - length]).all():
    length += 1
  return length


def naive(roll: np.ndarray) -> Features:
  """Features of the frame that follows a roll [T, K], in units."""
  sounds = (roll > 0).astype(float)
  count = len(roll)
  nothing = np.zeros(roll.shape[1])
  columns = [sounds[count - lag] if count >= lag else nothing for lag in LAGS]
  columns.append((roll[-1] == 1).astype(float) if count else nothing)
  lengths = [repeated(sounds, end) for end in range(count - 1)]
  counts = []
  for order in ORDERS:
    places = [end for end, length in enumerate(lengths) if length >= order]
    followed = [sounds[end + 1] for end in places]
    columns.append(np.mean(followed, 0) if followed else nothing)
    counts.append(len(places))
  longest = max(lengths, default=0)
  counts.append(longest)
  latest = max((e for e, n in enumerate(lengths) if n == longest), default=0)
  columns.append(sounds[latest + 1] if longest else nothing)
  for decay in MEMORIES:
    weights = (1 - decay) * decay ** np.arange(count)[::-1]
    columns.append(weights @ sounds if count else nothing)
  return Features(
    255 * np.stack(columns, 1), 16 * np.log2(1 + np.array(counts)), count
  )


@settings(deadline=None)
@given(pieces)
def test_of_piece_is_what_loops_find(roll: np.ndarray) -> None:
  found = frame_features.of_piece(roll)
  assert {array.dtype.name for array in found[:2]} == {"uint8"}
  for number in range(len(roll)):
    expected = naive(roll[:number])
    keys = found.keys[number].astype(float)
    # Shares of thirds and the like may be rounded either way.
    assert np.abs(keys - expected.keys).max() <= 0.501
    np.testing.assert_allclose(found.frame[number], expected.frame, atol=0.501)
    assert found.position[number] == number


def test_repeats_are_found_across_a_long_piece() -> None:
  rng = np.random.default_rng(0)
  theme = (rng.random((10, KEYS)) < 0.4).astype(np.uint8)
  roll = np.concatenate([theme, rng.integers(0, 2, (60, KEYS)), theme])
  found = frame_features.of_piece(roll.astype(np.uint8))
  # In the last frame of the theme nine of its frames have come again.
  expected = naive(roll[:-1])
  np.testing.assert_allclose(found.frame[-1], expected.frame, atol=0.501)
  assert found.frame[-1, -1] >= round(16 * np.log2(1 + 9))
  longest = len(LAGS) + 1 + len(ORDERS)
  np.testing.assert_array_equal(found.keys[-1, :, longest], 255 * theme[-1])


def test_a_prefix_has_the_same_features() -> None:
  roll = toy_frames.music(40)[:, toy_frames.LOW :][:, :KEYS]
  whole = frame_features.of_piece(roll)
  # 32 frames and fewer are compiled for another length.
  for length in (1, 20, 33):
    part = frame_features.of_piece(roll[:length])
    jax.tree.map(
      lambda a, b, n=length: np.testing.assert_array_equal(a, b[:n]),
      part,
      whole,
    )
  changed = roll.copy()
  changed[25:] = 1 - np.minimum(changed[25:], 1)
  other = frame_features.of_piece(changed)
  jax.tree.map(
    lambda a, b: np.testing.assert_array_equal(a[:26], b[:26]), other, whole
  )


def test_a_split_is_its_pieces_end_to_end() -> None:
  rolls = [toy_frames.music(length) for length in (5, 9)]
  heard = frame_features.of_rolls(toy_rolls.of_pieces(*rolls), 38, 10, "x")
  assert heard.features.keys.shape == (14, 10, frame_features.KEY_FEATURES)
  assert heard.features.position.tolist() == [*range(5), *range(9)]
  for part, roll in ((slice(0, 5), rolls[0]), (slice(5, 14), rolls[1])):
    own = frame_features.of_piece(roll[:, 38:48])
    found = jax.tree.map(lambda a, part=part: a[part], heard)
    jax.tree.map(np.testing.assert_array_equal, found, Heard(own, roll))


def test_moved_frames_are_those_of_moved_music() -> None:
  roll = toy_frames.music(8)
  low, keys = toy_frames.LOW - 4, toy_frames.KEYS + 8
  heard = frame_features.of_rolls(toy_rolls.of_pieces(roll), low, keys, "x")
  index = np.array([[0, 1, 2], [5, 6, 7]])
  shift = np.array([[-4, -4, -4], [3, 3, 4]])
  on_device = jax.device_put(heard)
  for found in (
    frame_features.take(heard, index, shift),
    jax.jit(frame_features.take)(on_device, index, shift),
  ):
    for row, column in np.ndindex(index.shape):
      moved = np.roll(roll, shift[row, column], axis=1)
      expected = Heard(
        frame_features.of_piece(moved[:, low : low + keys]), moved
      )
      at = index[row, column]
      own = jax.tree.map(lambda a, at=at: a[at], expected)
      theirs = jax.tree.map(lambda a, at=(row, column): a[at], found)
      jax.tree.map(np.testing.assert_array_equal, theirs, own)
  plain = frame_features.take(heard, index)
  np.testing.assert_array_equal(plain.frames, roll[index])
