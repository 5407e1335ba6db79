"""Does a model copy its training set? Runs, n-grams and the nearest piece.

How much held-out music shares with the training set is the yardstick: music is
made of common turns. Letters: P pieces asked about, N notes of a top line.
"""

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from musegen_jax.data import notes as notes_lib
from musegen_jax.evaluation.measures import alignment, novelty_index
from musegen_jax.evaluation.measures.view import View

# Training pieces each is aligned with, beside that of the longest run.
CANDIDATES = 4
# Held-out pieces that may be flagged, and how far above them samples must be.
FALSE_FLAGS = 0.01
SIGNIFICANCE = 0.01
MIN_FLAGGED = 0.05


class Novelty(NamedTuple):
  """What each of P pieces has in common with the training set.

  Counted on the top line, in steps (interval, gap) from note to note, so in
  every transposition; nan (-1 where whole numbers) where there are too few
  notes.

  length: int64, notes of the top line.
  run_notes: float64, of the longest run found in a training piece.
  run_bars: float64, bars from its first onset to its last; nan without a run.
  run_at: int64, number of the top line's note it begins with.
  source: int64, a training piece that holds it; -1 for none.
  source_at: int64, number of the note it begins with there.
  share_8, share_12: float64, share of the steps' 8-grams (9 notes) and 12-grams
    found in a training piece.
  nearest: int64, the training piece most like it; -1 for none.
  distance: float64 0..1, edits a step from the stretch of that piece most like
    it; 1 where there is none.
  """

  length: np.ndarray
  run_notes: np.ndarray
  run_bars: np.ndarray
  run_at: np.ndarray
  source: np.ndarray
  source_at: np.ndarray
  share_8: np.ndarray
  share_12: np.ndarray
  nearest: np.ndarray
  distance: np.ndarray


class Flags(NamedTuple):
  """Which samples copy more than held-out music does, and whether the set does.

  pieces: bool [P].
  share, held_out_share: of the samples and the held-out pieces flagged.
  p_value: of as many flagged samples or more, if the model wrote like the
    composers of the held-out pieces.
  copies: the set is flagged.
  """

  pieces: np.ndarray
  share: float
  held_out_share: float
  p_value: float
  copies: bool


def measure(
  pieces: Sequence[notes_lib.Piece], index: novelty_index.Index
) -> Novelty:
  """What each of `pieces` shares with those of the index.

  Runs and n-grams are exact; `nearest` is the best of the piece that holds the
  longest run and the CANDIDATES that share the rarest 4-grams.
  """
  views = [View(piece) for piece in pieces]
  rows = [novelty_index.tokens(view) for view in views]
  matches = novelty_index.match(index, rows)
  ends = np.cumsum([len(row) for row in rows], dtype=np.int64)
  lengths, places, grams = (np.split(part, ends)[:-1] for part in matches)
  runs = [
    _longest(index, *found) for found in zip(lengths, places, strict=True)
  ]
  columns = np.array(runs, np.int64).reshape(-1, 4).T
  run_notes = columns[0].astype(float)
  run_notes[ends == np.append(0, ends)[:-1]] = np.nan
  bars = [
    _bars(view.piece, view.top_ticks[run[1] :][: run[0]])
    for view, run in zip(views, runs, strict=True)
  ]
  return Novelty(
    np.array([len(view.top_line) for view in views], np.int64),
    run_notes,
    np.array(bars, float),
    *columns[1:],
    *[np.array([_share(part, n) for part in lengths], float) for n in (8, 12)],
    *_nearest(index, rows, grams, columns[2]),
  )


def _longest(
  index: novelty_index.Index, lengths: np.ndarray, places: np.ndarray
) -> tuple[int, int, int, int]:
  """Notes, first note, training piece and first note there of the longest."""
  if not lengths.any():
    return 0, -1, -1, -1
  at = int(lengths.argmax())
  source = int(np.searchsorted(index.starts, places[at], side="right")) - 1
  return (
    int(lengths[at]) + 1,
    at,
    source,
    int(places[at] - index.starts[source]),
  )


def _bars(piece: notes_lib.Piece, ticks: np.ndarray) -> float:
  """Bars, of the meters in force, from the first of ticks to the last."""
  if not len(ticks):
    return math.nan
  sizes = {0: (4, 4)}
  sizes |= {tick: over for tick, *over in piece.meters.tolist()}
  changes = np.array(list(sizes), float)
  # Nonsense in a file counts as 4/4.
  beats = [4 * n / d if n and d else 4.0 for n, d in sizes.values()]
  spans = np.diff(np.append(changes, np.inf).clip(ticks[0], ticks[-1]))
  return float((spans / (piece.ticks_per_beat * np.array(beats))).sum())


def _share(lengths: np.ndarray, size: int) -> float:
  count = len(lengths) - size + 1
  return float((lengths >= size).sum() / count) if count > 0 else math.nan


def _nearest(
  index: novelty_index.Index,
  rows: list[np.ndarray],
  grams: list[np.ndarray],
  source: np.ndarray,
) -> tuple[np.ndarray, np.ndarray]:
  """Number of the nearest training piece and the distance to it, [P] each."""
  found = [
    np.union1d(
      novelty_index.similar(index, part, CANDIDATES), first[first >= 0]
    )
    for part, first in zip(grams, source[:, None], strict=True)
  ]
  asked = np.repeat(np.arange(len(rows)), [len(part) for part in found])
  numbers = np.concatenate([np.zeros(0, np.int64), *found])
  texts = [
    index.text[index.starts[number] : index.starts[number + 1] - 1]
    for number in numbers
  ]
  edits = alignment.infix_distance([rows[i] for i in asked], texts)
  nearest = np.full(len(rows), -1)
  distance = np.where([len(row) > 0 for row in rows], 1.0, np.nan)
  for which, number, value in zip(asked, numbers, edits, strict=True):
    if value < distance[which]:
      nearest[which], distance[which] = number, value
  return nearest, distance


def flagged(samples: Novelty, held_out: Novelty) -> Flags:
  """Flags samples whose longest run is longer than held-out music's are.

  Runs are divided by the square root of the top line's length: so about as
  many of short held-out tunes are flagged as of long ones, as measured on 2,148
  of them, where whole runs flag the long and shares of the length the short.

  A sample is flagged above all but FALSE_FLAGS of the held-out pieces, the set
  where at least MIN_FLAGGED of its samples are and Fisher's exact test has them
  above the held-out pieces at SIGNIFICANCE. That the limit was read from these
  pieces leaves the test exact: had both one source, any of all pieces were as
  likely to be above it.

  Pieces without two notes are left out, and are not flagged.
  """
  scores, real = (
    found.run_notes / np.sqrt(np.maximum(found.length, 1))
    for found in (samples, held_out)
  )
  real = np.sort(real[~np.isnan(real)])
  count = int((~np.isnan(scores)).sum())
  if not (count and len(real)):
    none = np.zeros(len(scores), bool)
    return Flags(none, math.nan, math.nan, math.nan, False)
  limit = real[len(real) - 1 - int(FALSE_FLAGS * len(real))]
  pieces, high = scores > limit, int((real > limit).sum())
  hits = int(pieces.sum())
  p_value = _fisher(hits, count, high, len(real))
  share = hits / count
  return Flags(
    pieces,
    share,
    high / len(real),
    p_value,
    share >= MIN_FLAGGED and p_value < SIGNIFICANCE,
  )


def _fisher(hits: int, count: int, other_hits: int, other_count: int) -> float:
  """Chance that of all hits at least `hits` fall on `count` of the pieces."""
  both, total = hits + other_hits, count + other_count
  ways = sum(
    math.comb(count, k) * math.comb(other_count, both - k)
    for k in range(hits, min(both, count) + 1)
  )
  return ways / math.comb(total, both)
