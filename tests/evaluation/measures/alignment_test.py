"""Edit distance to the best stretch, against the textbook's recursion."""

import math

import numpy as np
from hypothesis import given
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
