"""Can a set be told from real music, and how far is it from it?

By a freshly trained classifier, and by distances in features and in the
embeddings of trained models. Letters: S seeds, N samples, R reference excerpts,
F features, E dimensions.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from musegen_jax.comparison import tables
from musegen_jax.comparison.entries import Entry
from musegen_jax.comparison.tables import Cell, Column
from musegen_jax.evaluation import bootstrap, two_sample
from musegen_jax.evaluation.measures import embedding_distance, features

SEED = 0
# Classifiers whose scores are averaged.
CLASSIFIERS = 3
RESAMPLES = 100

# Of an embedding that the Fréchet distance looks at.
DIRECTIONS = 32
# Fewer samples have no figure.
LEAST = 4

AUC = Column(
  "auc",
  "Told from real",
  "area",
  "How well a freshly trained classifier tells the samples from held-out music:"
  " 0.5 not at all, 1 always.",
  "half",
)
_FRECHET = (
  "Squared distance of the Gaussians fitted to samples and real music, in the"
  f" {DIRECTIONS} directions in which real music varies most; the row of real"
  " music is the floor."
)
_MMD = (
  "Squared maximum mean discrepancy: 0 where both have one distribution; chance"
  " may take it below."
)

# [N, F] or [N, E] of each seed of each system.
Sets = dict[str, list[np.ndarray]]


class Space(NamedTuple):
  """Vectors of all music.

  Attributes:
    title: what they are.
    sets: of each system.
    reference: [R, F] or [R, E].
  """

  title: str
  sets: Sets
  reference: np.ndarray


def feature_sets(entries: Sequence[Entry]) -> Sets:
  """What a listener could tell of each piece, [N, F] of each seed."""
  return {
    entry.name: [features.features(pieces) for pieces in entry.pieces()]
    for entry in entries
  }


def likeness_table(
  entries: Sequence[Entry],
  sets: Sets,
  reference: np.ndarray,
  embeddings: dict[str, Space],
) -> dict:
  """How like real music each set is.

  Args:
    entries: the rows.
    sets: features of each.
    reference: [R, F], of the held-out excerpts all are compared with.
    embeddings: of trained models, by a key.
  """
  columns = [AUC]
  rows = {
    entry.name: {"auc": _auc(sets[entry.name], reference)} for entry in entries
  }
  standard = {
    name: [two_sample.standardised(rows, reference) for rows in seeds]
    for name, seeds in sets.items()
  }
  own = two_sample.standardised(reference, reference)
  spaces = {"features": Space("features", standard, own)} | embeddings
  for key, (title, of, real) in spaces.items():
    width = embedding_distance.bandwidth(real)
    keys = f"frechet_{key}", f"mmd_{key}"
    columns.append(Column(keys[0], f"Fréchet, {title}", "", _FRECHET, "lower"))
    columns.append(Column(keys[1], f"MMD², {title}", "", _MMD, "lower"))
    for name, seeds in of.items():
      cells = _distances(seeds, real, width)
      rows[name] |= dict(zip(keys, cells, strict=True))
  return tables.make(
    "likeness",
    "Likeness to real music",
    f"Against {len(reference)} held-out excerpts that no row holds. Embeddings"
    " are those of the first run of each kind.",
    columns,
    rows,
  )


def _auc(seeds: list[np.ndarray], reference: np.ndarray) -> Cell:
  values, intervals = [], []
  for rows in seeds:
    if min(len(rows), len(reference)) < LEAST:
      continue
    scores = [
      two_sample.scores(reference, rows, number)
      for number in range(CLASSIFIERS)
    ]
    real, made = (np.mean(side, 0) for side in zip(*scores, strict=True))
    values.append(two_sample.rank_auc(made, real))
    intervals.append(two_sample.auc_interval(real, made, seed=SEED))
  return tables.set_cell(values, intervals, 0, 1)


def _distances(
  seeds: list[np.ndarray], reference: np.ndarray, width: float
) -> tuple[Cell, Cell]:
  """Fréchet distance, in the directions of `_principal`, and MMD²."""
  values, intervals = [], []
  directions = _principal(reference)
  for rows in seeds:
    if len(rows) < LEAST:
      continue
    first, second = rows @ directions, reference @ directions
    kernels = embedding_distance.kernels(rows, reference, width)

    def both(
      ours: np.ndarray,
      real: np.ndarray,
      first: np.ndarray = first,
      second: np.ndarray = second,
      kernels: embedding_distance.Kernels = kernels,
    ) -> np.ndarray:
      return np.array(
        [
          embedding_distance.frechet(first[ours], second[real]),
          embedding_distance.mmd2_of_rows(kernels, ours, real),
        ]
      )

    counts = (len(rows), len(reference))
    values.append(both(*map(np.arange, counts)))
    intervals.append(
      bootstrap.statistic_interval(
        both, counts, values[-1], seed=SEED, resamples=RESAMPLES
      )
    )
  columns = [
    ([v[i] for v in values], [(low[i], high[i]) for low, high in intervals])
    for i in range(2)
  ]
  return tables.set_cell(*columns[0], 0), tables.set_cell(*columns[1])


def _principal(reference: np.ndarray) -> np.ndarray:
  """The DIRECTIONS in which the reference [R, E] varies most, [E, at most
  DIRECTIONS]: a covariance of more would be mostly noise."""
  centred = reference - reference.mean(0, keepdims=True)
  _, _, found = np.linalg.svd(centred.astype(np.float64), full_matrices=False)
  return found[:DIRECTIONS].T
