"""Sets made to be caught, each by the measure made for it, and real music that
must not be."""

import numpy as np
import pytest

from musegen_jax.comparison import controls
from musegen_jax.comparison.hearing import Excerpt, Hearing
from musegen_jax.data import notes
from musegen_jax.data.codecs import codec as codec_lib
from musegen_jax.evaluation import two_sample
from musegen_jax.evaluation.measures import (
  diversity,
  embedding_distance,
  features,
  novelty,
  novelty_index,
  set_distance,
  table,
)
from tests.comparison import tunes

COUNT = 120
HEARING = Hearing(codec_lib.load("melody"), 64, 8.0)


def excerpts(first: int) -> list[Excerpt]:
  found = []
  for number in range(first, first + COUNT):
    piece = tunes.tune(number)
    found.append(HEARING.excerpt(HEARING.cut(piece)[0], number))
  return found


def one_note(excerpt: Excerpt) -> notes.Piece:
  table_of = excerpt.piece.notes.copy()
  table_of["pitch"] = table_of["pitch"][0]
  return notes.Piece(excerpt.piece.ticks_per_beat, table_of)


Sets = dict[str, list[notes.Piece]]


@pytest.fixture(scope="module")
def sets() -> Sets:
  reference, real, train = (excerpts(n * COUNT) for n in range(3))
  return {
    "reference": [each.piece for each in reference],
    "real": [each.piece for each in real],
    "train": [each.piece for each in train],
    "shuffled": [controls.shuffled(each, 0) for each in real],
    "one note": [one_note(each) for each in real],
    "copied": [controls.edited(each, HEARING, 0) for each in train],
  }


def area(first: list[notes.Piece], second: list[notes.Piece]) -> list[float]:
  """Area under the curve of the classifier, and its interval."""
  rows = [features.features(pieces) for pieces in (first, second)]
  scores = two_sample.scores(*rows, 0)
  interval = two_sample.auc_interval(*scores, seed=0)
  return [two_sample.rank_auc(scores[1], scores[0]), *interval]


def test_a_classifier_tells_what_is_not_real(sets: Sets) -> None:
  value, low, high = area(sets["reference"], sets["real"])
  assert low <= 0.5 <= high and abs(value - 0.5) < 0.12
  for name in ("shuffled", "one note"):
    value, low, _ = area(sets["reference"], sets[name])
    assert value > 0.7 and low > high, name


def test_one_note_is_degenerate_and_nothing_else_is(sets: Sets) -> None:
  for name, pieces in sets.items():
    poor = [bool(diversity.is_degenerate(piece)) for piece in pieces]
    # A toy tune may have but two pitches by chance.
    assert all(poor) if name == "one note" else np.mean(poor) < 0.05, name


def test_copies_are_flagged_and_real_music_is_not(sets: Sets) -> None:
  index = novelty_index.build(sets["train"])
  held_out = novelty.measure(sets["reference"], index)
  flags = {
    name: novelty.flagged(novelty.measure(sets[name], index), held_out)
    for name in ("real", "shuffled", "copied")
  }
  assert flags["copied"].copies and flags["copied"].share > 0.5
  assert not flags["real"].copies and not flags["shuffled"].copies


def test_distances_read_lowest_for_real_music(sets: Sets) -> None:
  reference = features.features(sets["reference"])
  own = two_sample.standardised(reference, reference)
  width = embedding_distance.bandwidth(own)
  rows = {
    name: two_sample.standardised(features.features(sets[name]), reference)
    for name in ("real", "shuffled", "one note")
  }
  for distance in (
    lambda made: embedding_distance.frechet(made, own),
    lambda made: embedding_distance.mmd2(made, own, width),
  ):
    found = {name: distance(made) for name, made in rows.items()}
    assert found["real"] < found["shuffled"] < found["one note"]


def test_spreads_of_real_music_overlap_most(sets: Sets) -> None:
  column = [measure.name for measure in table.MEASURES].index("mean_interval")
  values = {name: table.per_piece(sets[name])[:, column] for name in sets}

  def overlap(name: str) -> float:
    apart = set_distance.distances(values[name], values["reference"])
    return set_distance.compare(apart).overlap

  assert overlap("real") > 0.9
  assert overlap("shuffled") < overlap("real") - 0.05
  assert np.nan_to_num(overlap("one note")) < 0.5
