"""Edit distance of many pairs of token rows at once.

Letters used in shapes: Q pairs, M and N tokens of the two rows of a pair.
"""

from collections.abc import Sequence

import numpy as np

_PAIRS_AT_ONCE = 256


def normalised(
  left: Sequence[np.ndarray], right: Sequence[np.ndarray]
) -> np.ndarray:
  """Edits that turn one row into the other over the longer one's length, [Q].

  Insertions, deletions and substitutions count 1 each (Levenshtein 1966).

  Args:
    left: Q rows [M] of whole numbers.
    right: Q rows [N], likewise.

  Returns:
    float64, 0 (equal) to 1; nan where both rows are empty.
  """
  sizes = np.array([[len(row) for row in rows] for rows in (left, right)])
  sizes = sizes.reshape(2, -1)
  edits = np.zeros(sizes.shape[1])
  # Pairs of like size together, so that little is computed in vain.
  order = np.argsort(sizes.sum(0), kind="stable")
  for start in range(0, len(order), _PAIRS_AT_ONCE):
    chosen = order[start : start + _PAIRS_AT_ONCE]
    edits[chosen] = _edits(
      [left[pair] for pair in chosen], [right[pair] for pair in chosen]
    )
  with np.errstate(invalid="ignore"):
    return edits / sizes.max(0)


def _edits(left: list[np.ndarray], right: list[np.ndarray]) -> np.ndarray:
  """Edits [Q], antidiagonal by antidiagonal of the tables of all pairs.

  least[i] on antidiagonal d: edits of the first i tokens of left into the first
  d - i of right.
  """
  rows, columns = _padded(left), _padded(right)[::-1]
  ends = np.array([len(row) for row in left])
  last = ends + np.array([len(row) for row in right])
  height, width = len(rows), len(columns)
  distances = np.zeros(len(left), np.int32)
  shape = (height + 1, len(left))
  before, least, here = (np.zeros(shape, np.int32) for _ in range(3))
  for diagonal in range(1, int(last.max()) + 1):
    low, high = max(0, diagonal - width), min(height, diagonal)
    # Cells with a cell above and one to the left.
    first, stop = max(low, 1), min(high, diagonal - 1) + 1
    if first < stop:
      out = here[first:stop]
      ahead = width - diagonal
      differ = (
        rows[first - 1 : stop - 1] != columns[ahead + first : ahead + stop]
      )
      np.minimum(least[first - 1 : stop - 1], least[first:stop], out=out)
      out += 1
      np.minimum(out, before[first - 1 : stop - 1] + differ, out=out)
    if low == 0:
      here[0] = diagonal
    if high == diagonal:
      here[diagonal] = diagonal
    done = (last == diagonal).nonzero()[0]
    distances[done] = here[ends[done], done]
    before, least, here = least, here, before
  return distances


def _padded(rows: list[np.ndarray]) -> np.ndarray:
  """Rows side by side, [longest, Q]; what is padded is never read back."""
  table = np.zeros((max(len(row) for row in rows), len(rows)), np.int32)
  for column, row in enumerate(rows):
    table[: len(row), column] = row
  return table
