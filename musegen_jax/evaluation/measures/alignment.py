"""How much of one token row lies in another, edits allowed.

Letters: P pairs, Q tokens asked about, T tokens of a text.
"""

from collections.abc import Sequence

import numpy as np

_PAIRS_AT_ONCE = 128


def infix_distance(
  asked: Sequence[np.ndarray], texts: Sequence[np.ndarray]
) -> np.ndarray:
  """Edits by which each row differs from the stretch of its text most like it.

  Insertions, deletions and substitutions count 1 each; where in the text the
  stretch begins and ends is free (Sellers 1980).

  Args:
    asked: P rows [Q] of whole numbers from 0.
    texts: P rows [T], likewise.

  Returns:
    [P] float64: edits / Q, 0 (all of it is there) to 1; nan for an empty row.
  """
  sizes = np.array([len(row) for row in asked], np.int64)
  distances = np.full(len(sizes), np.nan)
  # Rows of one length together, so that little is computed in vain.
  order = np.argsort(sizes, kind="stable")
  order = order[sizes[order] > 0]
  for begin in range(0, len(order), _PAIRS_AT_ONCE):
    chosen = order[begin : begin + _PAIRS_AT_ONCE]
    edits = _edits([asked[i] for i in chosen], [texts[i] for i in chosen])
    distances[chosen] = edits / sizes[chosen]
  return distances


def _edits(asked: list[np.ndarray], texts: list[np.ndarray]) -> np.ndarray:
  """Least edits [P], all pairs at once, token by token of the rows asked."""
  rows, columns = _padded(asked, -1), _padded(texts, -2)
  sizes = np.array([len(row) for row in asked])
  # Least edits that end at each place of the text: [T + 1, P].
  ahead = np.arange(len(columns) + 1, dtype=np.int32)[:, None]
  edits = np.zeros((len(columns) + 1, len(asked)), np.int32)
  least = np.zeros(len(asked), np.int64)
  for number, token in enumerate(rows):
    replaced = edits[:-1] + (columns != token[None])
    np.minimum(replaced, edits[1:] + 1, out=edits[1:])
    edits[0] = number + 1
    # Then what skips tokens of the text, one each.
    edits -= ahead
    np.minimum.accumulate(edits, axis=0, out=edits)
    edits += ahead
    ending = sizes == number + 1
    least[ending] = edits[:, ending].min(0)
  return least


def _padded(rows: list[np.ndarray], value: int) -> np.ndarray:
  """Rows as the columns of an array [longest, P], filled up with `value`."""
  longest = max(len(row) for row in rows)
  padded = np.full((longest, len(rows)), value, np.int32)
  for number, row in enumerate(rows):
    padded[: len(row), number] = row
  return padded
