"""Coherence of a piece over time: segments and bars that come again, tonal
drift, turns that come again.

Letters used in shapes: P pieces, M measures.
"""

import functools
import math
import zlib
from collections.abc import Sequence

import numpy as np

from musegen_jax.data.notes import Piece
from musegen_jax.evaluation.measures import fitness, repetition
from musegen_jax.evaluation.measures.table import Measure
from musegen_jax.evaluation.measures.view import View

SHUFFLES = 4
WINDOW_BARS = 4


def short_structure(view: View) -> float:
  """Structureness of 3 to 8 s, 0..1; see `fitness.structureness`."""
  return float(fitness.structureness([view.piece])[0, 0])


def medium_structure(view: View) -> float:
  """Structureness of 8 to 15 s, 0..1; see `fitness.structureness`."""
  return float(fitness.structureness([view.piece])[0, 1])


def long_structure(view: View) -> float:
  """Structureness from 15 s up, 0..1; see `fitness.structureness`."""
  return float(fitness.structureness([view.piece])[0, 2])


def tonal_shift(view: View) -> float:
  """Total variation distance between the pitch classes of the two halves, 0..1.

  Weighted by duration; notes count for the half they begin in, drums for none.
  """
  notes = view.pitched
  if not len(notes):
    return math.nan
  late = notes["start_tick"].astype(np.int64) * 2 >= view.all_ends.max()
  at = late * 12 + view.pitches % 12
  halves = np.bincount(at, notes["duration_ticks"], 24).reshape(2, 12)
  total = halves.sum(1, keepdims=True)
  if not total.all():
    return math.nan
  first, second = halves / total
  return float(np.abs(first - second).sum() / 2)


def tonal_drift(view: View) -> float:
  """How much the tonal centre moves between 4-bar windows, 1 as by chance.

  Each note is a point of the tonal space of Harte, Sandler & Gasser (2006:
  circles of fifths, of minor and of major thirds, 6 dimensions). The variance
  of the windows' centroids, as one-way analysis of variance has it, over that
  of all notes: 1 is expected if the same notes came in any order, more where
  the key changes, less where each window turns about the same centre. nan for
  fewer than two windows with notes, and where all are of one pitch class.
  """
  found = repetition.bars(view)
  pitched = found.sound < 128
  window = found.numbers[found.index[pitched]] // WINDOW_BARS
  kinds, group = np.unique(window, return_inverse=True)
  if len(kinds) < 2:
    return math.nan
  at = group * 12 + found.sound[pitched] % 12
  counts = np.bincount(at, minlength=len(kinds) * 12).reshape(-1, 12)
  points = _tonal_space()
  points = points - (counts.sum(0) @ points / counts.sum())[None]
  centroids = counts @ points / counts.sum(1, keepdims=True)
  between = counts.sum(1) @ (centroids**2).sum(1) / (len(kinds) - 1)
  within = counts.sum(0) @ (points**2).sum(1) / max(counts.sum() - 1, 1)
  return float(between / within) if within > 1e-9 else math.nan


def compressibility(view: View) -> float:
  """Deflated size of the top line over that of its steps shuffled, about 0..1.

  A step is an interval and the time since the last onset in sixteenths, a byte
  each; without a header, mean of SHUFFLES orders (seeded by their number). 1
  where the order says nothing, lower the more turns come again, transposed or
  not. nan for fewer than 16 steps. Deflate (LZ77), as LZMA's smallest size
  would drown a piece of a minute.
  """
  gaps = np.diff(view.top_ticks) * 4 / view.piece.ticks_per_beat
  gaps = np.minimum(np.rint(gaps), 255)
  steps = np.stack([view.intervals % 256, gaps], 1).astype(np.uint8)
  if len(steps) < 16:
    return math.nan
  rng = np.random.default_rng(len(steps))
  shuffled = [_deflated(rng.permutation(steps)) for _ in range(SHUFFLES)]
  return _deflated(steps) / float(np.mean(shuffled))


@functools.cache
def _tonal_space() -> np.ndarray:
  """[12, 6]: a pitch class in the space of Harte, Sandler & Gasser (2006)."""
  classes = np.arange(12)
  circles = ((7 / 6, 1.0), (3 / 2, 1.0), (2 / 3, 0.5))
  columns = []
  for turn, radius in circles:
    angle = classes * turn * np.pi
    columns += [radius * np.sin(angle), radius * np.cos(angle)]
  return np.stack(columns, 1)


def _deflated(steps: np.ndarray) -> int:
  """Bytes, without a header."""
  packer = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
  return len(packer.compress(steps.tobytes())) + len(packer.flush())


_SEGMENTS = "How fully some stretch of {} explains the piece by coming again: 0"
_SEGMENTS += " if none does; one note over and over is not rated."

MEASURES = (
  Measure(
    name="short_structure",
    function=short_structure,
    title="Structure, 3-8 s",
    unit="",
    low=0,
    high=1,
    of_drums=True,
    definition=_SEGMENTS.format("3 to 8 seconds"),
  ),
  Measure(
    name="medium_structure",
    function=medium_structure,
    title="Structure, 8-15 s",
    unit="",
    low=0,
    high=1,
    of_drums=True,
    definition=_SEGMENTS.format("8 to 15 seconds"),
  ),
  Measure(
    name="long_structure",
    function=long_structure,
    title="Structure, over 15 s",
    unit="",
    low=0,
    high=1,
    of_drums=True,
    definition=_SEGMENTS.format("15 seconds to half of the piece"),
  ),
  Measure(
    name="repetition_rate",
    function=repetition.repetition_rate,
    title="Repeated bars",
    unit="",
    low=0,
    high=1,
    of_drums=True,
    definition="Share of bars that repeat an earlier bar note for note.",
  ),
  Measure(
    name="bar_similarity",
    function=repetition.bar_similarity,
    title="Likeness of neighbouring bars",
    unit="",
    low=0,
    high=1,
    of_drums=True,
    definition="How much a bar has the pitch classes and the rhythm of the bar"
    " before: 1 if every bar is the same.",
  ),
  Measure(
    name="bar_order",
    function=repetition.bar_order,
    title="Neighbouring bars over any two",
    unit="",
    low=0,
    high=None,
    of_drums=True,
    definition="How much more alike neighbouring bars are than any two bars of"
    " the piece: 1 if their order says nothing.",
  ),
  Measure(
    name="bar_period",
    function=repetition.bar_period,
    title="Periodicity of bars",
    unit="",
    low=0,
    high=None,
    of_drums=True,
    definition="How much more alike bars are at the best regular distance (say"
    " every fourth) than with the bars shuffled: 1 if no more.",
  ),
  Measure(
    name="tonal_shift",
    function=tonal_shift,
    title="Tonal shift",
    unit="",
    low=0,
    high=1,
    of_drums=False,
    definition="Share of the second half's sounding time that would have to"
    " move to other note names to match the first half.",
  ),
  Measure(
    name="tonal_drift",
    function=tonal_drift,
    title="Tonal drift",
    unit="",
    low=0,
    high=None,
    of_drums=False,
    definition="How much the tonal centre moves from four bars to the next: 1"
    " as if the notes were shuffled, more where the key changes.",
  ),
  Measure(
    name="compressibility",
    function=compressibility,
    title="Compressed size over shuffled",
    unit="",
    low=0,
    high=None,
    of_drums=False,
    definition="How small the melody packs, compared to the same steps in"
    " random order: lower where turns of melody come again.",
  ),
)


def per_piece(pieces: Sequence[Piece]) -> np.ndarray:
  """Every measure of every piece, float64 [P, M] in the order of MEASURES;
  nan where undefined. Repeatable: what is drawn is seeded by the piece."""
  return values([View(piece) for piece in pieces])


def values(views: Sequence[View]) -> np.ndarray:
  """As `per_piece`, of pieces that are already views [P]."""
  # Many at once: dynamic programming over one piece alone is slow.
  segments = fitness.structureness([view.piece for view in views])
  others = MEASURES[segments.shape[1] :]
  rows = [[measure.function(view) for measure in others] for view in views]
  table = np.array(rows, np.float64).reshape(len(views), len(others))
  return np.concatenate([segments, table], 1)
