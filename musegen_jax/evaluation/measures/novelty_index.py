"""An index of training pieces in which copied melody is found exactly.

A suffix array (Manber & Myers 1993) of the pieces' top lines, and an inverted
file of their n-grams. Letters: P pieces, N notes of a top line, T tokens of all
pieces, Q tokens asked about.
"""

import dataclasses
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np

from musegen_jax.data import notes as notes_lib
from musegen_jax.evaluation.measures.view import View

# A token is the step to the next note: (interval, gap in sixteenths). Two bars
# of 4/4 or more between notes count as two bars.
MAX_GAP = 32
# Tokens of the n-grams by which similar pieces are found.
GRAM = 4
# What more of the pieces hold than this tells none of them apart.
MAX_SHARE = 0.05

_OPENS = np.iinfo(np.int32).min  # in no text, before all of it


@dataclasses.dataclass(frozen=True)
class Index:
  """Training pieces; some 30 bytes a token.

  Attributes:
    starts: [P + 1] int64, where in `text` each piece begins.
    text: [T + P] int32, tokens, each piece followed by a number of its own
      below 0, so that nothing common reaches over the end of a piece.
    suffixes: [T + P] int32, the places of `text` in the order of what follows.
    grams: [T + P] int32, which n-gram begins at each of `suffixes`.
    posting_ends: [n-grams] int64, of each n-gram's part of `postings`.
    postings: int32, the pieces that hold an n-gram, each once.
    weights: [n-grams] float32, log(1 + P / pieces that hold it), 0 for what
      too many hold or none.
    norms: [P] float64, length of the piece's vector of weights.
  """

  starts: np.ndarray
  text: np.ndarray
  suffixes: np.ndarray
  grams: np.ndarray
  posting_ends: np.ndarray
  postings: np.ndarray
  weights: np.ndarray
  norms: np.ndarray


class Matches(NamedTuple):
  """Longest runs that begin at tokens [Q] asked about.

  lengths: [Q] int64, tokens in common with the training piece that shares most.
  places: [Q] int64, of that run in `Index.text`; -1 where no token is common.
  grams: [Q] int64, the n-gram there, -1 where the run is shorter than GRAM.
  """

  lengths: np.ndarray
  places: np.ndarray
  grams: np.ndarray


def tokens(view: View) -> np.ndarray:
  """Steps from note to note of the top line, int32 [max(N - 1, 0)], 0..8414.

  The same in every transposition, at every tempo and wherever a piece begins.
  """
  beat = view.piece.ticks_per_beat
  sixteenths = (8 * np.diff(view.top_ticks) + beat) // (2 * beat)
  gaps = np.minimum(sixteenths, MAX_GAP)
  return ((view.intervals + 127) * (MAX_GAP + 1) + gaps).astype(np.int32)


def build(pieces: Iterable[notes_lib.Piece]) -> Index:
  """The index of training pieces, numbered as they come."""
  rows = [tokens(View(piece)) for piece in pieces]
  ends = [np.array([-1 - number], np.int32) for number in range(len(rows))]
  text = np.concatenate(
    [np.zeros(0, np.int32)]
    + [part for pair in zip(rows, ends, strict=True) for part in pair]
  )
  sizes = [len(row) + 1 for row in rows]
  starts = np.cumsum([0, *sizes], dtype=np.int64)
  suffixes = suffix_array(text)
  return Index(starts, text, suffixes, *_inverted(text, suffixes, starts))


def suffix_array(text: np.ndarray) -> np.ndarray:
  """Places of text [T] in the order of what follows them, int32 [T].

  Prefix doubling (Manber & Myers 1993): what is sorted by its first k values is
  sorted by its first 2 k with the ranks of the halves for keys.

  Args:
    text: whole numbers; the rarer long repeats, the faster.
  """
  # A rank is the place in order of the first with the same values, so that the
  # ranks of settled places stay as they are.
  _, kind, counts = np.unique(text, return_inverse=True, return_counts=True)
  rank = (counts.cumsum() - counts)[kind]
  order = np.argsort(rank)
  # Places whose rank is shared: they alone are sorted further.
  length, unsettled = 1, np.arange(len(text))
  while True:
    ranks = rank[order[unsettled]]
    shared = np.zeros(len(ranks) + 1, bool)
    shared[1:-1] = ranks[1:] == ranks[:-1]
    unsettled = unsettled[shared[1:] | shared[:-1]]
    if not len(unsettled):
      return order.astype(np.int32)
    there = order[unsettled]
    further = there + length
    after = rank[np.minimum(further, len(text) - 1)] + 1
    after[further >= len(text)] = 0
    keys = rank[there] * (len(text) + 1) + after
    turn = np.argsort(keys)
    keys, there = keys[turn], there[turn]
    order[unsettled] = there
    first = np.append(True, keys[1:] != keys[:-1])
    rank[there] = unsettled[first][np.cumsum(first) - 1]
    length *= 2


def _inverted(
  text: np.ndarray, suffixes: np.ndarray, starts: np.ndarray
) -> tuple[np.ndarray, ...]:
  """The last five attributes of the index."""
  pieces = len(starts) - 1
  padded = np.append(text, np.full(GRAM, _OPENS, np.int32))
  differ = np.zeros(max(len(suffixes) - 1, 0), bool)
  for offset in range(GRAM):
    there = padded[suffixes + offset]
    differ |= there[1:] != there[:-1]
  grams = np.append(0, np.cumsum(differ))[: len(suffixes)].astype(np.int32)
  count = int(grams[-1]) + 1 if len(grams) else 0
  number = np.searchsorted(starts, suffixes, side="right") - 1
  whole = suffixes + GRAM < starts[number + 1]
  keys = np.unique(grams[whole].astype(np.int64) * pieces + number[whole])
  gram, postings = np.divmod(keys, max(pieces, 1))
  held = np.bincount(gram, minlength=count)
  weights = np.log1p(pieces / np.maximum(held, 1))
  # In small sets every n-gram counts.
  weights[(held == 0) | (held > max(MAX_SHARE * pieces, 20))] = 0
  norms = np.bincount(postings, weights[gram] ** 2, minlength=pieces)
  return (
    grams,
    np.cumsum(held),
    postings.astype(np.int32),
    weights.astype(np.float32),
    np.sqrt(norms),
  )


def match(index: Index, asked: Sequence[np.ndarray]) -> Matches:
  """Longest common run from each token of token rows, joined: [Q].

  A binary search for all places at once, in which no token known to be equal
  is compared again (Manber & Myers 1993, section 2).
  """
  opens = np.array([_OPENS], np.int32)
  query = np.concatenate([opens, *[p for row in asked for p in (row, opens)]])
  at = np.flatnonzero(query != _OPENS)
  size = len(index.suffixes)
  low, high = np.full(len(at), -1), np.full(len(at), size)
  low_same, high_same = np.zeros((2, len(at)), np.int64)
  for _ in range(size.bit_length()):
    middle = np.clip((low + high) // 2, 0, size - 1)
    there = index.suffixes[middle].astype(np.int64)
    same = np.minimum(low_same, high_same)
    _extend(index.text, there, query, at, same)
    before = index.text[there + same] < query[at + same]
    going = high - low > 1
    up, down = going & before, going & ~before
    low, high = np.where(up, middle, low), np.where(down, middle, high)
    low_same = np.where(up, same, low_same)
    high_same = np.where(down, same, high_same)
  lengths = np.maximum(low_same, high_same)
  found = np.where(low_same > high_same, low, high).clip(0, max(size - 1, 0))
  if not size:
    return Matches(lengths, lengths - 1, lengths - 1)
  places = np.where(lengths > 0, index.suffixes[found], -1)
  return Matches(
    lengths, places, np.where(lengths >= GRAM, index.grams[found], -1)
  )


def _extend(
  text: np.ndarray,
  there: np.ndarray,
  query: np.ndarray,
  at: np.ndarray,
  same: np.ndarray,
) -> None:
  """Raises `same` [Q] to how many values from `there` and `at` are equal."""
  going = np.arange(len(at))
  while len(going):
    reached = same[going]
    equal = text[there[going] + reached] == query[at[going] + reached]
    going = going[equal]
    same[going] += 1


def similar(index: Index, grams: np.ndarray, most: int) -> np.ndarray:
  """Training pieces most like one that holds n-grams, the best first.

  By the cosine of binary vectors of n-grams, weighted by their rarity.

  Args:
    index: of the training pieces.
    grams: [Q] int64 of one piece, as in Matches.
    most: how many.

  Returns:
    [<= most] int64; no piece that shares none.
  """
  held = np.unique(grams[grams >= 0])
  held = held[index.weights[held] > 0]
  ends = index.posting_ends[held]
  begins = np.where(held > 0, index.posting_ends[held - 1], 0)
  sizes = ends - begins
  # The postings from each begin to its end, one after the other.
  places = np.arange(sizes.sum()) + np.repeat(ends - sizes.cumsum(), sizes)
  products = np.repeat(index.weights[held].astype(np.float64) ** 2, sizes)
  scores = np.bincount(
    index.postings[places], products, minlength=len(index.norms)
  ) / np.maximum(index.norms, 1e-12)
  best = np.argsort(-scores, kind="stable")[:most]
  return best[scores[best] > 0]
