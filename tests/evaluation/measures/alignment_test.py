"""Edit distances, against the textbook's recursion and table."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from musegen_jax.evaluation.measures import alignment

ROW = st.lists(st.integers(0, 3), max_size=9)


def slow(asked: list[int], text: list[int]) -> float:
  before = [0] * (len(text) + 1)
  for token in asked:
    row = [before[0] + 1]
    for place, other in enumerate(text):
      row.append(
        min(
          before[place] + (token != other), before[place + 1] + 1, row[-1] + 1
        )
      )
    before = row
  return min(before) / len(asked) if asked else math.nan


@given(st.lists(st.tuples(ROW, ROW), max_size=6))
def test_equals_the_recursion(pairs: list[tuple[list[int], list[int]]]) -> None:
  asked, texts = (
    [np.array(row, int) for row in side]
    for side in ([one for one, _ in pairs], [other for _, other in pairs])
  )
  found = alignment.infix_distance(asked, texts)
  np.testing.assert_allclose(found, [slow(*pair) for pair in pairs])


def test_many_rows_of_many_lengths_keep_their_order() -> None:
  rng = np.random.default_rng(0)
  asked = [rng.integers(0, 50, rng.integers(5, 30)) for _ in range(300)]
  texts = [np.concatenate([row[:3], [99], row[3:], row[:2]]) for row in asked]
  found = alignment.infix_distance(asked, texts)
  np.testing.assert_allclose(found, [1 / len(row) for row in asked])


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


def whole_distance(left: Rows, right: Rows) -> np.ndarray:
  return alignment.whole_distance(
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
  found = whole_distance(left, right)
  expected = [
    slow_edits(a, b) / max(len(a), len(b)) if a or b else np.nan
    for a, b in pairs
  ]
  np.testing.assert_allclose(found, expected)
  np.testing.assert_allclose(whole_distance(right, left), found)


def test_many_pairs_of_whole_rows() -> None:
  rng = np.random.default_rng(0)
  left, right = (
    [rng.integers(0, 4, rng.integers(0, 40)).tolist() for _ in range(600)]
    for _ in range(2)
  )
  found = whole_distance(left, right)
  for number in range(0, 600, 7):
    a, b = left[number], right[number]
    expected = slow_edits(a, b) / max(len(a), len(b), 1)
    assert found[number] == pytest.approx(expected)


def test_ends_of_the_scale_of_whole_rows() -> None:
  found = whole_distance([[1, 2, 3], [1, 1], [], []], [[1, 2, 3], [2], [7], []])
  np.testing.assert_allclose(found, [0, 1, 1, np.nan])
  assert whole_distance([], []).shape == (0,)
