"""Rows of frames: pure, complete, in order, moved as far as they can be."""

from collections.abc import Callable

import numpy as np
import pytest

from musegen_jax.data import frame_batches
from musegen_jax.data.frames import KEYS, Rolls

LENGTHS = np.array([13, 5, 1, 21, 8])
LOW, RANGE = 30, 20
BATCH, WINDOW = 3, 4
STEPS = 4  # an epoch: 48 frames in windows of 4, three rows


def rolls() -> Rolls:
  """Five pieces of three neighbouring keys, each a bit higher."""
  frames = np.zeros((LENGTHS.sum(), KEYS), np.uint8)
  number = np.repeat(np.arange(len(LENGTHS)), LENGTHS)
  for key in range(3):
    frames[np.arange(len(frames)), LOW + 2 + 3 * number + key] = 1
  return Rolls(frames, LENGTHS, tuple("abcde"))


def rows_at(**changes: object) -> Callable[[int], frame_batches.Rows]:
  defaults = {
    "batch_size": BATCH,
    "window": WINDOW,
    "low": LOW,
    "keys": RANGE,
    "transpose_semitones": 3,
    "seed": 0,
  }
  return frame_batches.make_rows_at(rolls(), **(defaults | changes))


def test_a_batch_is_a_function_of_seed_and_step() -> None:
  forwards, backwards = rows_at(), rows_at()
  first = [forwards(step) for step in range(10)]
  again = [backwards(step) for step in reversed(range(10))][::-1]
  other = [rows_at(seed=1)(step) for step in range(10)]
  for name in ("index", "shift", "reset"):
    one, two, three = (
      np.stack([getattr(rows, name) for rows in each])
      for each in (first, again, other)
    )
    assert one.shape == (10, BATCH, WINDOW)
    np.testing.assert_array_equal(one, two)
    assert (one != three).any()
    # The second epoch is another.
    assert (one[:STEPS] != one[STEPS : 2 * STEPS]).any()


def test_every_frame_is_seen_once_an_epoch() -> None:
  assert frame_batches.steps_per_epoch(rolls(), BATCH, WINDOW) == STEPS
  at = rows_at(batch_size=4)
  seen = np.concatenate([at(step).index.ravel() for step in range(3)])
  # 48 frames are three steps of four windows of four.
  assert sorted(seen) == list(range(48))
  at = rows_at(batch_size=5)
  seen = np.concatenate([at(step).index.ravel() for step in range(2)])
  assert len(seen) == len(set(seen)) == 40


def test_rows_go_on_from_step_to_step_and_reset_where_pieces_begin() -> None:
  at = rows_at()
  starts = set(np.cumsum([0, *LENGTHS[:-1]]))
  for epoch in range(3):
    each = [at(epoch * STEPS + step) for step in range(STEPS)]
    index = np.concatenate([rows.index for rows in each], axis=1)
    reset = np.concatenate([rows.reset for rows in each], axis=1)
    shift = np.concatenate([rows.shift for rows in each], axis=1)
    begins = np.isin(index, list(starts))
    expected = begins.copy()
    # The stretch of another epoch ended elsewhere.
    expected[:, 0] = True
    np.testing.assert_array_equal(reset, expected)
    goes_on = ~begins[:, 1:]
    assert (np.diff(index)[goes_on] == 1).all()
    assert (np.diff(shift)[goes_on] == 0).all()


def test_processes_take_their_rows() -> None:
  whole, part = rows_at()(5), rows_at(rows=slice(1, 3))(5)
  for name in ("index", "shift", "reset"):
    np.testing.assert_array_equal(
      getattr(part, name), getattr(whole, name)[1:3]
    )


def test_pieces_move_within_the_range() -> None:
  bounds = frame_batches.shift_bounds(rolls(), LOW, RANGE)
  # Keys 2..4 of twenty, then three higher each.
  lowest = 2 + 3 * np.arange(5)
  np.testing.assert_array_equal(bounds, np.stack([-lowest, 17 - lowest], 1))
  narrow = frame_batches.shift_bounds(rolls(), LOW + 3, 8)
  assert narrow.tolist() == [[0, 0], [-2, 3], [-5, 0], [0, 0], [0, 0]]
  silent = Rolls(np.zeros((2, KEYS), np.uint8), np.array([2]), ("a",))
  assert frame_batches.shift_bounds(silent, LOW, RANGE).tolist() == [[0, 0]]


def test_shifts_are_drawn_for_each_piece_and_epoch() -> None:
  at = rows_at()
  piece = np.repeat(np.arange(len(LENGTHS)), LENGTHS)
  drawn = {number: set() for number in range(len(LENGTHS))}
  for step in range(STEPS * 60):
    rows = at(step)
    for number in drawn:
      drawn[number] |= set(rows.shift[piece[rows.index] == number].tolist())
  assert drawn[0] == set(range(-2, 4))
  assert drawn[1] == drawn[2] == drawn[3] == set(range(-3, 4))
  assert drawn[4] == set(range(-3, 4))
  none = rows_at(transpose_semitones=0)
  assert not any(none(step).shift.any() for step in range(8))


@pytest.mark.parametrize("batch_size", [7, 100])
def test_a_batch_may_be_longer_than_the_split(batch_size: int) -> None:
  rows = rows_at(batch_size=batch_size, window=16)(3)
  assert frame_batches.steps_per_epoch(rolls(), batch_size, 16) == 1
  assert rows.index.shape == (batch_size, 16) and rows.reset[:, 0].all()
  assert set(rows.index.ravel()) == set(range(48))
