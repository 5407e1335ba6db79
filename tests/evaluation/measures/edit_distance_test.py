"""Edit distance against the textbook's table."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from musegen_jax.evaluation.measures import edit_distance

Rows = list[list[int]]


def slow_edits(left: list[int], right: list[int]) -> int:
  """Levenshtein's distance, cell by cell."""
  above = list(range(len(right) + 1))
  for number, token in enumerate(left, 1):
    row = [number]
    for column, other in enumerate(right, 1):
      row.append(
        min(
          above[column] + 1,
          row[-1] + 1,
          above[column - 1] + (token != other),
        )
      )
    above = row
  return above[-1]


def normalised(left: Rows, right: Rows) -> np.ndarray:
  return edit_distance.normalised(
    [np.array(row, np.int32) for row in left],
    [np.array(row, np.int32) for row in right],
  )


@settings(max_examples=100, deadline=None)
@given(
  st.lists(
    st.tuples(
      st.lists(st.integers(-1, 3), max_size=12),
      st.lists(st.integers(-1, 3), max_size=12),
    ),
    max_size=8,
  )
)
def test_is_levenshteins_over_the_longer_row(pairs: list) -> None:
  left, right = [pair[0] for pair in pairs], [pair[1] for pair in pairs]
  found = normalised(left, right)
  expected = [
    slow_edits(a, b) / max(len(a), len(b)) if a or b else np.nan
    for a, b in pairs
  ]
  np.testing.assert_allclose(found, expected)
  np.testing.assert_allclose(normalised(right, left), found)


def test_many_pairs_of_all_lengths() -> None:
  rng = np.random.default_rng(0)
  left, right = (
    [rng.integers(0, 4, rng.integers(0, 40)).tolist() for _ in range(600)]
    for _ in range(2)
  )
  found = normalised(left, right)
  for number in range(0, 600, 7):
    a, b = left[number], right[number]
    expected = slow_edits(a, b) / max(len(a), len(b), 1)
    assert found[number] == pytest.approx(expected)


def test_ends_of_the_scale() -> None:
  found = normalised([[1, 2, 3], [1, 1], [], []], [[1, 2, 3], [2], [7], []])
  np.testing.assert_allclose(found, [0, 1, 1, np.nan])
  assert normalised([], []).shape == (0,)
