"""How much the pieces of one set differ from each other.

All of it takes about 1.5 s and 100 MB for 1,000 pieces of a minute, a quarter
for 256. Letters: P pieces, N tokens of a piece, G n-grams of all pieces.
"""

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from musegen_jax.data import minhash
from musegen_jax.data.notes import Piece
from musegen_jax.evaluation.measures import alignment, novelty_index
from musegen_jax.evaluation.measures.view import View

# n-grams that `distinct` is about, whatever the size of the set.
DISTINCT_SAMPLE = 500
BLEU_ORDER = 4
BLEU_PIECES = 200
# Others that each piece is compared with.
PARTNERS = 16
# A piece with fewer pitches, or more of its notes on one, is degenerate.
MIN_PITCHES = 3
MIN_DRUMS = 2
MAX_SHARE = 0.8


class _Grams(NamedTuple):
  """n-grams of all pieces: the piece each is of and its number, int64 [G]."""

  piece: np.ndarray
  number: np.ndarray


def tokens(piece: Piece) -> np.ndarray:
  """What is compared of a piece: int32 [N].

  The steps (interval, sixteenths to the next onset) of the top line as
  `novelty_index.tokens` has them, the same in every transposition; of a piece
  of drums alone, for each note but the first, (drum, sixteenths since the note
  before).
  """
  view = View(piece)
  if len(view.pitches) or not len(piece.notes):
    return novelty_index.tokens(view)
  beat = piece.ticks_per_beat
  gaps = (8 * np.diff(view.all_starts) + beat) // (2 * beat)
  gaps = np.minimum(gaps, novelty_index.MAX_GAP)
  drums = piece.notes["pitch"][1:].astype(np.int64)
  # Below 0, where no step of a melody is.
  return (-1 - drums * (novelty_index.MAX_GAP + 1) - gaps).astype(np.int32)


def distinct(
  rows: Sequence[np.ndarray], order: int, sample: int = DISTINCT_SAMPLE
) -> float:
  """Share of distinct n-grams among `sample` of a set's, 0..1.

  Distinct-n (Li et al. 2016) of all the set's n-grams falls with their number.
  So this is what it is on average if `sample` of them are drawn without
  replacement, in closed form (rarefaction, Hurlbert 1971): a larger set, or
  one of longer pieces, has no other value for that.

  Args:
    rows: P token rows [N], see `tokens`.
    order: n, from 1.
    sample: n-grams drawn.

  Returns:
    1 where no two are the same; nan for fewer than `sample` n-grams.
  """
  numbers = _grams(rows, order).number
  total = len(numbers)
  if total < sample or not total:
    return math.nan
  counts, kinds = np.unique(np.bincount(numbers), return_counts=True)
  expected = 0.0
  for count, kind in zip(counts.tolist(), kinds.tolist(), strict=True):
    # The chance that none of `count` equal n-grams is drawn.
    if total - count < sample:
      missed = 0.0
    else:
      missed = math.exp(
        math.lgamma(total - count + 1)
        - math.lgamma(total - count - sample + 1)
        - math.lgamma(total + 1)
        + math.lgamma(total - sample + 1)
      )
    expected += kind * (1 - missed)
  return expected / sample


def self_bleu(
  rows: Sequence[np.ndarray], seed: int = 0, limit: int = BLEU_PIECES
) -> np.ndarray:
  """BLEU-4 of each piece with all others for references, float64 [P], 0..1.

  Self-BLEU (Zhu et al. 2018): 1 where pieces are copies of each other. BLEU as
  in Papineni et al. 2002: clipped precisions of 1 to 4 tokens, their geometric
  mean, brevity penalty by the reference nearest in length (the shorter of two);
  0 where a precision is 0. It grows with the set, so compare sets of one size
  or of `limit` pieces and more.

  Args:
    rows: P token rows [N], see `tokens`.
    seed: of the draw.
    limit: where there are more pieces, so many are drawn and compared.

  Returns:
    nan for pieces not drawn, with fewer than 4 tokens, or without another.
  """
  result = np.full(len(rows), np.nan)
  chosen = np.arange(len(rows))
  if len(rows) > limit:
    rng = np.random.default_rng(seed)
    chosen = np.sort(rng.choice(len(rows), limit, replace=False))
  if len(chosen) < 2:
    return result
  drawn = [rows[number] for number in chosen]
  sizes = np.array([len(row) for row in drawn])
  score = np.zeros(len(drawn))
  for order in range(1, BLEU_ORDER + 1):
    matches = _clipped_matches(_grams(drawn, order), len(drawn))
    with np.errstate(divide="ignore"):
      score += np.log(matches / np.maximum(sizes - order + 1, 1)) / BLEU_ORDER
  nearest = _nearest_sizes(sizes)
  brevity = np.minimum(0, 1 - nearest / np.maximum(sizes, 1))
  bleu = np.exp(score + brevity)
  result[chosen] = np.where(sizes >= BLEU_ORDER, bleu, np.nan)
  return result


def distances(
  rows: Sequence[np.ndarray], seed: int = 0, partners: int = PARTNERS
) -> np.ndarray:
  """Mean normalised edit distance of each piece to others, float64 [P], 0..1.

  Levenshtein distance over the length of the longer row. Each piece is compared
  with `partners` others, all where there are not more: the next ones on either
  side in a circle of random order, so that every pair counts for both.

  Args:
    rows: P token rows [N], see `tokens`.
    seed: of the circle.
    partners: an even number.

  Returns:
    The mean over partners; nan without any, or where all are without tokens as
    the piece is.
  """
  count = len(rows)
  circle = np.random.default_rng(seed).permutation(count)
  left, right = [], []
  for step in range(1, min(partners // 2, count // 2) + 1):
    # Half around the circle, a pair would else come twice.
    places = np.arange(count // 2 if 2 * step == count else count)
    left.append(circle[places])
    right.append(circle[(places + step) % count])
  if not left:
    return np.full(count, np.nan)
  first, second = np.concatenate(left), np.concatenate(right)
  found = alignment.whole_distance(
    [rows[i] for i in first], [rows[i] for i in second]
  )
  known = ~np.isnan(found)
  ends = np.concatenate([first[known], second[known]])
  sums = np.bincount(ends, np.tile(found[known], 2), count)
  with np.errstate(invalid="ignore"):
    return sums / np.bincount(ends, minlength=count)


def near_duplicates(pieces: Sequence[Piece]) -> np.ndarray:
  """Pieces that are, nearly, an earlier piece of the set: bool [P].

  A pair are copies if the estimated Jaccard similarity of their note n-grams is
  `minhash.MIN_JACCARD` or more, or if the same 4-grams of `tokens` make up both
  (which also joins one note played 90 and 100 times): in any transposition, at
  any tempo. A silent piece is a copy of a silent piece.
  """
  copies = np.zeros(len(pieces), bool)
  earlier: set[bytes] = set()
  for number, piece in enumerate(pieces):
    content = _content(piece)
    copies[number] = content in earlier
    earlier.add(content)
  sounding = np.array([len(piece.notes) > 0 for piece in pieces], bool)
  found = [minhash.signature(piece) for piece in pieces if len(piece.notes)]
  table = np.array(found, np.uint32).reshape(-1, minhash.PERMUTATIONS)
  alike = np.zeros(len(table), bool)
  # The earlier ones of one piece at a time: 128 bytes a pair at most.
  for number in range(1, len(table)):
    nearest = minhash.jaccard(table[number][None], table[:number]).max()
    alike[number] = nearest >= minhash.MIN_JACCARD
  copies[sounding] |= alike
  return copies


def is_degenerate(piece: Piece) -> str:
  """Why a piece is no music worth measuring, or "".

  Silent; fewer than 3 different pitches; or one pitch in more than 80 % of the
  notes. A piece of drums alone needs 2 different drums.
  """
  drums = piece.notes["is_drum"]
  if not len(drums):
    return "silent"
  kind, needed = (
    ("drums", MIN_DRUMS) if drums.all() else ("pitches", MIN_PITCHES)
  )
  sounds = piece.notes["pitch"][drums == drums.all()]
  counts = np.bincount(sounds)
  used = np.count_nonzero(counts)
  if used < needed:
    return f"fewer than {needed} {kind}"
  if counts.max() > MAX_SHARE * len(sounds):
    return f"one of its {kind} in more than {MAX_SHARE:.0%} of the notes"
  return ""


def _content(piece: Piece) -> bytes:
  """The set of 4-grams of its tokens (all of them where there are fewer)."""
  row = tokens(piece)
  if not len(row):
    return b"a note" if len(piece.notes) else b""
  size = min(len(row), BLEU_ORDER)
  grams = np.lib.stride_tricks.sliding_window_view(row, size)
  return np.unique(grams, axis=0).tobytes()


def _grams(rows: Sequence[np.ndarray], order: int) -> _Grams:
  """n-grams within the rows, numbered from 0; equal ones alike."""
  piece = np.repeat(np.arange(len(rows)), [len(row) for row in rows])
  text = np.concatenate([np.zeros(0, np.int64), *rows])
  token = np.unique(text, return_inverse=True)[1].astype(np.int64)
  number = token
  for more in range(1, order):
    ahead = token[more:]
    number = number[: len(ahead)] * (len(text) + 1) + ahead
    number = np.unique(number, return_inverse=True)[1].astype(np.int64)
  whole = piece[: len(number)] == piece[order - 1 :]
  # Numbers without gaps, those over the end of a piece left out.
  kept = np.unique(number[whole], return_inverse=True)[1]
  return _Grams(piece[: len(number)][whole], kept.astype(np.int64))


def _clipped_matches(grams: _Grams, pieces: int) -> np.ndarray:
  """n-grams of each piece [P], each counted up to as often as the other piece
  that has it most has it."""
  keys, counts = np.unique(
    grams.number * pieces + grams.piece, return_counts=True
  )
  number, piece = np.divmod(keys, pieces)
  rising = np.lexsort((counts, number))
  number, piece, counts = number[rising], piece[rising], counts[rising]
  # The last of an n-gram's counts is the greatest: its own piece has the one
  # before for a rival, the others have this.
  last = np.append(number[1:] != number[:-1], True)
  top = counts[last][np.cumsum(last) - last]
  first = np.append(True, number[1:] != number[:-1])
  before = np.where(first, 0, np.append(0, counts[:-1]))
  rival = np.where(last, before, top)
  return np.bincount(piece, np.minimum(counts, rival), pieces)


def _nearest_sizes(sizes: np.ndarray) -> np.ndarray:
  """Length [P] of the other piece nearest in length, the shorter of two."""
  # Half a token of preference for the shorter.
  far = np.abs(sizes[:, None] - sizes[None] - 0.25)
  np.fill_diagonal(far, np.inf)
  return sizes[far.argmin(1)]
