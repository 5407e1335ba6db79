"""Averaging rules, by hand; the published figures stand in
frame_baselines_test."""

import numpy as np
import pytest

from musegen_jax.errors import UserError
from musegen_jax.evaluation import frame_rules

# Two pieces of 3 and 2 frames and one of a single frame.
LENGTHS = np.array([3, 2, 1])
NLL = np.array([10.0, 1.0, 3.0, 20.0, 5.0, 30.0])


def test_rules_by_hand() -> None:
  found = frame_rules.averages(NLL, LENGTHS)
  assert found == pytest.approx(
    {
      "b": (1 + 3 + 5) / 3,
      "a": 69 / 6,
      "c": (2 + 5) / 2,
      # Two windows in one batch.
      "d": (2 + 5) / 2,
    }
  )


def test_windows_and_batches_are_weighted_equally() -> None:
  # A window of 200 and one of 1 from the first piece, 35 of one frame each.
  lengths = np.array([202] + [2] * 35)
  nll = np.zeros(lengths.sum())
  nll[201] = 16.0
  nll[203::2] = 8.0
  # 37 windows: a batch of 16 and one of 21, the rest of 5 with the last.
  first, second = (0 + 16 + 14 * 8) / 16, 8.0
  found = frame_rules.averages(nll, lengths)
  assert found["d"] == pytest.approx((first + second) / 2)
  assert found["b"] == pytest.approx((16 + 35 * 8) / (201 + 35))


def test_sums_of_later_frames() -> None:
  sums, counts = frame_rules.later_frames(NLL, LENGTHS)
  np.testing.assert_allclose(sums, [4, 5, 0])
  np.testing.assert_array_equal(counts, [2, 1, 0])


def test_lengths_must_add_up() -> None:
  with pytest.raises(ValueError, match="for 5 frames"):
    frame_rules.averages(NLL, LENGTHS[:2])


def test_nothing_to_score_is_one_line() -> None:
  with pytest.raises(UserError, match="no piece has a second frame"):
    frame_rules.averages(np.ones(2), np.array([1, 1]))
