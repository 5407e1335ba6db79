"""Edit distances of many pairs of token rows at once: of whole rows, and of a
row to what is most like it in a text.

Insertions, deletions and substitutions count 1 each. Letters: P pairs, Q tokens
of a row, T tokens of the other.
"""

from collections.abc import Sequence

import numpy as np

_PAIRS_AT_ONCE = 128
# In no row: what rows and texts are filled up with is unlike everything.
_NO_TOKEN, _NO_TEXT = np.iinfo(np.int32).min, np.iinfo(np.int32).min + 1


def infix_distance(
  rows: Sequence[np.ndarray], texts: Sequence[np.ndarray]
) -> np.ndarray:
  """Edits by which each row differs from the stretch of its text most like it;
  where that begins and ends is free (Sellers 1980).

  Args:
    rows: P rows [Q] of whole numbers.
    texts: P rows [T], likewise.

  Returns:
    [P] float64: edits / Q, 0 (all of it is there) to 1; nan for an empty row.
  """
  sizes = np.array([len(row) for row in rows], np.float64)
  with np.errstate(invalid="ignore"):
    return _edits(rows, texts, infix=True) / sizes


def whole_distance(
  rows: Sequence[np.ndarray], others: Sequence[np.ndarray]
) -> np.ndarray:
  """Edits that turn one row into the other over the longer one's length
  (Levenshtein 1966).

  Args:
    rows: P rows [Q] of whole numbers.
    others: P rows [T], likewise.

  Returns:
    [P] float64, 0 (equal) to 1; nan where both rows are empty.
  """
  sizes = np.array([[len(row) for row in side] for side in (rows, others)])
  with np.errstate(invalid="ignore"):
    return _edits(rows, others, infix=False) / sizes.reshape(2, -1).max(0)


def _edits(
  rows: Sequence[np.ndarray], texts: Sequence[np.ndarray], infix: bool
) -> np.ndarray:
  sizes = np.array([len(row) for row in rows], np.int64)
  found = np.zeros(len(sizes))
  # Rows of one length together, so that little is computed in vain.
  order = np.argsort(sizes, kind="stable")
  for begin in range(0, len(order), _PAIRS_AT_ONCE):
    chosen = order[begin : begin + _PAIRS_AT_ONCE]
    pairs = [rows[i] for i in chosen], [texts[i] for i in chosen]
    found[chosen] = _edits_at_once(*pairs, infix)
  return found


def _edits_at_once(
  rows: list[np.ndarray], texts: list[np.ndarray], infix: bool
) -> np.ndarray:
  """Least edits [P], all pairs side by side, token by token of the rows."""
  tokens, columns = _padded(rows, _NO_TOKEN), _padded(texts, _NO_TEXT)
  sizes = np.array([len(row) for row in rows])
  ends = np.array([len(text) for text in texts])
  ahead = np.arange(len(columns) + 1, dtype=np.int32)[:, None]
  # Least edits up to each place of the text, [T + 1, P].
  edits = np.zeros((len(columns) + 1, len(rows)), np.int32)
  if not infix:
    edits += ahead
  found = np.zeros(len(rows)) if infix else ends.astype(float)
  for number, token in enumerate(tokens):
    replaced = edits[:-1] + (columns != token[None])
    np.minimum(replaced, edits[1:] + 1, out=edits[1:])
    edits[0] = number + 1
    # Then what skips tokens of the text, one each.
    edits -= ahead
    np.minimum.accumulate(edits, axis=0, out=edits)
    edits += ahead
    last = edits.min(0) if infix else edits[ends, np.arange(len(ends))]
    found = np.where(sizes == number + 1, last, found)
  return found


def _padded(rows: list[np.ndarray], value: int) -> np.ndarray:
  """Rows as the columns of an array [longest, P], filled up with `value`."""
  longest = max(len(row) for row in rows)
  padded = np.full((longest, len(rows)), value, np.int32)
  for number, row in enumerate(rows):
    padded[: len(row), number] = row
  return padded
