"""The table of measures: nothing raises, warns or leaves its range."""

import dataclasses
import warnings

import numpy as np
from hypothesis import given, settings

from musegen_jax.data import notes
from musegen_jax.evaluation.measures import features, table
from tests.evaluation.measures import pieces

DRUMS = pieces.chart(*[(4 * i, 2, 36) for i in range(20)], drums=True)


def odd_pieces() -> dict[str, notes.Piece]:
  """What a file or a bad model may hold."""
  late = np.array([2**31 - 10, 2**31 - 2])
  huge = notes.make_notes(late, np.full(2, 2**31 - 1), np.array([0, 127]))
  tune = pieces.line([60, 62, 64, 65], [1] * 4)
  return {
    "empty": notes.Piece(480, np.zeros(0, notes.NOTE)),
    "one note": pieces.chart((0, 1, 60)),
    "one drum": pieces.chart((0, 1, 36), drums=True),
    "drums": DRUMS,
    "all at once": pieces.chart(*[(3, 5, pitch) for pitch in range(128)]),
    "one pitch": pieces.line([60] * 50, [0.5] * 50),
    "late and long": notes.Piece(1, huge),
    "fine ticks": notes.Piece(32767, huge),
    "no denominator": dataclasses.replace(
      tune, meters=pieces.meters_of((0, 0, 0))
    ),
    "bars off the grid": dataclasses.replace(
      tune, meters=pieces.meters_of((0, 3, 32))
    ),
    "bars of all lengths": dataclasses.replace(
      tune,
      meters=pieces.meters_of(*[(t, 1 + t % 9, 8) for t in range(0, 1900, 99)]),
    ),
    "no time passes": dataclasses.replace(
      tune, tempos=np.array([(0, 0)], notes.TEMPO)
    ),
  }


def rows(found: np.ndarray) -> list[dict[str, float]]:
  names = [measure.name for measure in table.MEASURES]
  return [dict(zip(names, row, strict=True)) for row in found.tolist()]


def test_nothing_raises_or_warns() -> None:
  odd = list(odd_pieces().values())
  with warnings.catch_warnings(), np.errstate(all="raise"):
    warnings.simplefilter("error")
    found = table.per_piece(odd)
    features.features(odd)
  assert found.shape == (len(odd), len(table.MEASURES))
  assert found.dtype == np.float64
  assert not np.isinf(found).any()
  assert table.per_piece([]).shape == (0, len(table.MEASURES))


def assert_in_range(found: np.ndarray) -> None:
  low = np.array([m.low for m in table.MEASURES], float)
  high = [np.inf if m.high is None else m.high for m in table.MEASURES]
  slack = 1e-9
  assert not (found < low[None] - slack).any()
  assert not (found > np.array(high, float)[None] + slack).any()


@settings(deadline=None, max_examples=60)
@given(pieces.random_pieces())
def test_values_keep_their_ranges(piece: notes.Piece) -> None:
  assert_in_range(table.per_piece([piece]))


def test_odd_values_keep_their_ranges() -> None:
  assert_in_range(table.per_piece(list(odd_pieces().values())))


def test_drums_have_the_measures_that_are_said_to_be_of_drums() -> None:
  [drums] = table.per_piece([DRUMS])
  # Counts of pitches are 0, which says nothing.
  defined = [
    measure.name
    for measure, value in zip(table.MEASURES, drums, strict=True)
    if not np.isnan(value) and not measure.name.endswith("_count")
  ]
  assert defined == [m.name for m in table.MEASURES if m.of_drums]


def test_one_repeated_note_is_known_by_its_numbers() -> None:
  [found] = rows(table.per_piece([odd_pieces()["one pitch"]]))
  assert found["repeated_note_rate"] == 1 and found["pitch_entropy"] == 0
  assert found["longest_repetition"] == 50 and found["npvi"] == 0
  assert found["groove_consistency"] > 0.9 and found["in_key_rate"] == 1


def test_every_measure_says_what_it_is() -> None:
  names = [measure.name for measure in table.MEASURES]
  titles = [measure.title for measure in table.MEASURES]
  assert len(set(names)) == len(names) and len(set(titles)) == len(titles)
  for measure in table.MEASURES:
    assert measure.name == measure.function.__name__
    assert measure.definition[0].isupper() and measure.definition[-1] == "."
