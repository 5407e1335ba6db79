"""Bars that come again, by hand and against slow counting."""

import dataclasses

import numpy as np
import pytest

from musegen_jax.data import notes
from musegen_jax.evaluation.measures import repetition
from musegen_jax.evaluation.measures.view import View
from tests.data.pieces import STEP, make_piece, part

BARS = {
  "a": [(0, 4, 60), (4, 8, 64), (8, 16, 67)],
  "b": [(0, 6, 62), (6, 8, 65), (8, 16, 69)],
  "c": [(0, 2, 72), (2, 4, 71), (4, 16, 60)],
  "d": [(0, 16, 59)],
  ".": [],
}


def piece_of(bars: str) -> notes.Piece:
  """The named bars of 4/4, one after another."""
  rows = [
    (16 * number + start, 16 * number + end, pitch)
    for number, bar in enumerate(bars)
    for start, end, pitch in BARS[bar]
  ]
  return make_piece(part(rows))


@pytest.mark.parametrize(
  ("bars", "rate"),
  [
    ("aaaa", 1),
    ("abcd", 0),
    ("abab", 2 / 3),
    ("abca", 1 / 3),
    ("a.a.b", 1 / 2),  # silent bars are left out
    ("a", np.nan),
    (".....a", np.nan),
  ],
)
def test_repeated_bars(bars: str, rate: float) -> None:
  found = repetition.repetition_rate(View(piece_of(bars)))
  np.testing.assert_allclose(found, rate)


def test_a_bar_is_its_onsets_and_pitches() -> None:
  piece = piece_of("abab")
  table = piece.notes

  def rate(**columns: np.ndarray) -> float:
    changed = table.copy()
    for name, column in columns.items():
      changed[name] = column
    changed = dataclasses.replace(piece, notes=notes.sort(changed))
    return repetition.repetition_rate(View(changed))

  rng = np.random.default_rng(0)
  loud = rng.integers(1, 127, len(table))
  short = rng.integers(10, 200, len(table))
  assert rate(velocity=loud, duration_ticks=short) == pytest.approx(2 / 3)
  # Not quite in time, as played.
  near = table["start_tick"] + rng.integers(0, 50, len(table))
  assert rate(start_tick=near) == pytest.approx(2 / 3)
  moved, higher = table["start_tick"].copy(), table["pitch"].copy()
  moved[1] += STEP
  higher[1] += 1
  assert rate(start_tick=moved) == rate(pitch=higher) == pytest.approx(1 / 3)
  drum = np.arange(len(table)) == 1
  assert rate(is_drum=drum) == pytest.approx(1 / 3)
  # Two parts that play the same are heard as one.
  double = table[:1].copy()
  double["track"] = 1
  both = notes.Piece(480, notes.sort(np.concatenate([table, double])))
  assert repetition.repetition_rate(View(both)) == pytest.approx(2 / 3)


def test_bars_follow_the_meter() -> None:
  rows = [(12 * bar, 12 * bar + 4, 60 + bar % 2) for bar in range(6)]
  piece = make_piece(part(rows), meters=[(0, 3, 4)])
  found = repetition.bars(View(piece))
  assert found.numbers.tolist() == list(range(6))
  assert not found.place.any()
  assert repetition.repetition_rate(View(piece)) == pytest.approx(4 / 5)


def test_a_note_just_before_a_new_meter_is_in_it() -> None:
  piece = make_piece(
    part([(0, 12, 60), (12, 28, 62), (28, 44, 64)]),
    meters=[(0, 3, 4), (12, 4, 4)],
  )
  piece.notes["start_tick"][1] -= STEP // 4
  found = repetition.bars(View(piece))
  assert found.numbers.tolist() == [0, 1, 2] and not found.place.any()


def test_lag_profile_by_hand() -> None:
  view = View(piece_of("abab.b"))
  found = repetition.lag_profile(view, 6)
  # Onsets on 0, 4, 8 and 0, 6, 8; no pitch class in common.
  other = 2 / 3 / 2
  expected = [other, 1, other, 1, other, np.nan]
  np.testing.assert_allclose(found, expected)
  assert repetition.bar_similarity(view) == pytest.approx(other)


def test_lag_profile_counts_drums_apart() -> None:
  table = piece_of("ab").notes
  table["is_drum"][3:] = True
  table["pitch"][3:] = table["pitch"][:3]
  # The same onsets but for one, no pitch class in common.
  found = repetition.lag_profile(View(notes.Piece(480, table)), 1)
  np.testing.assert_allclose(found, [2 / 3 / 2])


def test_order_is_measured_against_all_orders() -> None:
  rng = np.random.default_rng(0)
  for bars in ("aabbccdd", "abcdabcd", "aaab", "dcabba"):
    drawn = [
      repetition.bar_similarity(View(piece_of(rng.permutation(list(bars)))))
      for _ in range(300)
    ]
    view = View(piece_of(bars))
    expected = repetition.bar_similarity(view) / np.mean(drawn)
    assert repetition.bar_order(view) == pytest.approx(expected, rel=0.05)
  assert repetition.bar_order(View(piece_of("aabbccdd"))) > 1.2
  assert repetition.bar_order(View(piece_of("abababab"))) < 0.9
  assert repetition.bar_order(View(piece_of("aaaa"))) == pytest.approx(1)


def slow_peak(vectors: np.ndarray) -> float:
  """Greatest mean similarity over lags up to half of the bars."""
  count = len(vectors)
  return max(
    np.mean([vectors[at] @ vectors[at + lag] for at in range(count - lag)])
    for lag in range(1, count // 2 + 1)
  )


@pytest.mark.parametrize("bars", ["abcdabcd", "abcabcabcd", "aabb", "dacb"])
def test_period_is_measured_against_shuffles(bars: str) -> None:
  view = View(piece_of(bars))
  vectors = repetition.bars(view).vectors
  rng = np.random.default_rng(len(bars))
  chance = [
    slow_peak(vectors[rng.permutation(len(bars))])
    for _ in range(repetition.SHUFFLES)
  ]
  expected = slow_peak(vectors) / np.mean(chance)
  assert repetition.bar_period(view) == pytest.approx(expected)


def test_a_phrase_that_comes_again_has_a_period() -> None:
  assert repetition.bar_period(View(piece_of("abcd" * 4))) > 1.3
  assert repetition.bar_period(View(piece_of("a" * 9))) == pytest.approx(1)
  assert np.isnan(repetition.bar_period(View(piece_of("aba"))))
