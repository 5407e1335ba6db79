"""Diversity against slow definitions, and sets in the expected order."""

import collections
import dataclasses
import itertools
import math

import numpy as np
import pytest

from musegen_jax.data import notes
from musegen_jax.evaluation.measures import alignment, diversity
from tests.data.pieces import make_piece, part
from tests.evaluation.measures.fitness_test import piece_of, songs

SILENT = notes.Piece(480, np.zeros(0, notes.NOTE))


def random_rows(count: int, size: int, kinds: int = 4) -> list[np.ndarray]:
  rng = np.random.default_rng(count)
  return [
    rng.integers(0, kinds, rng.integers(0, size)).astype(np.int32)
    for _ in range(count)
  ]


def grams(row: np.ndarray, order: int) -> list[tuple]:
  return [tuple(row[at : at + order]) for at in range(len(row) - order + 1)]


def drum_piece(drums: list[int]) -> notes.Piece:
  table = part([(2 * at, 2 * at + 1, drum) for at, drum in enumerate(drums)])
  table["is_drum"] = True
  return make_piece(table)


def melody(pitches: list[int], length: int = 2) -> notes.Piece:
  return make_piece(
    part(
      [
        (length * at, length * at + length, pitch)
        for at, pitch in enumerate(pitches)
      ]
    )
  )


def test_tokens_are_steps_of_the_top_line() -> None:
  tune = part([(0, 4, 72), (4, 6, 74), (6, 12, 71), (12, 16, 71)])
  below = part([(0, 4, 60), (4, 8, 60), (6, 8, 55)], track=1)
  found = diversity.tokens(make_piece(tune, below))
  assert found.tolist() == diversity.tokens(make_piece(tune)).tolist()
  assert len(found) == len(set(found.tolist())) == 3
  higher = dataclasses.replace(make_piece(tune), notes=tune.copy())
  higher.notes["pitch"] += 5
  assert diversity.tokens(higher).tolist() == found.tolist()
  higher.notes["pitch"][2] += 1
  assert (diversity.tokens(higher) == found).tolist() == [True, False, False]


def test_tokens_of_drums_are_drums() -> None:
  one = diversity.tokens(drum_piece([36, 42, 38, 42]))
  other = diversity.tokens(drum_piece([36, 43, 38, 42]))
  assert (one == other).tolist() == [False, True, True]
  assert one[0] == one[2] and (one < 0).all()
  assert not len(diversity.tokens(SILENT))


@pytest.mark.parametrize("order", [1, 2, 3])
def test_distinct_is_the_mean_over_all_draws(order: int) -> None:
  rows = [np.array(row) for row in ([1, 2, 1, 2], [2, 1, 2], [], [3], [1, 2])]
  pooled = [gram for row in rows for gram in grams(row, order)]
  for sample in range(1, len(pooled) + 1):
    draws = itertools.combinations(pooled, sample)
    expected = np.mean([len(set(draw)) / sample for draw in draws])
    found = diversity.distinct(rows, order, sample)
    assert found == pytest.approx(expected)
  assert math.isnan(diversity.distinct(rows, order, len(pooled) + 1))
  assert math.isnan(diversity.distinct([], order))


def test_distinct_does_not_know_the_size_of_the_set() -> None:
  rng = np.random.default_rng(0)
  small, large = (
    [rng.choice(40, 60, p=np.arange(1, 41) / 820) for _ in range(pieces)]
    for pieces in (40, 400)
  )
  found = [diversity.distinct(rows, 2) for rows in (small, large)]
  assert found[0] == pytest.approx(found[1], abs=0.02)


def slow_bleu(piece: np.ndarray, references: list[np.ndarray]) -> float:
  """BLEU-4 as NLTK 3.9 defines it: clipped counts over max(1, n-grams), the
  closest reference length, the shorter of two; 0 where a precision is 0."""
  logs = []
  for order in range(1, 5):
    counts = collections.Counter(grams(piece, order))
    most: collections.Counter = collections.Counter()
    for reference in references:
      most |= collections.Counter(grams(reference, order))
    clipped = sum(min(count, most[gram]) for gram, count in counts.items())
    if not clipped:
      return 0.0
    logs.append(math.log(clipped / max(1, sum(counts.values()))))
  closest = min(
    (len(reference) for reference in references),
    key=lambda size: (abs(size - len(piece)), size),
  )
  longer = len(piece) > closest
  penalty = 1 if longer else math.exp(1 - closest / len(piece))
  return penalty * math.exp(sum(logs) / 4)


@pytest.mark.parametrize(("count", "kinds"), [(2, 2), (9, 3), (25, 5)])
def test_self_bleu_is_that_of_the_slow_definition(
  count: int, kinds: int
) -> None:
  rows = random_rows(count, 25, kinds)
  found = diversity.self_bleu(rows)
  for number, row in enumerate(rows):
    expected = np.nan
    if len(row) >= 4:
      expected = slow_bleu(row, rows[:number] + rows[number + 1 :])
    np.testing.assert_allclose(found[number], expected)


def test_self_bleu_of_a_draw() -> None:
  rows = random_rows(30, 40)
  found = diversity.self_bleu(rows, seed=1, limit=12)
  drawn = ~np.isnan(found)
  long_enough = np.array([len(row) >= 4 for row in rows])
  assert 8 <= drawn.sum() <= 12
  np.testing.assert_array_equal(
    found, diversity.self_bleu(rows, seed=1, limit=12)
  )
  other = ~np.isnan(diversity.self_bleu(rows, seed=2, limit=12))
  assert (other != drawn).any()
  np.testing.assert_array_equal(
    ~np.isnan(diversity.self_bleu(rows)), long_enough
  )


def test_too_few_pieces_say_nothing() -> None:
  one = [np.arange(9, dtype=np.int32)]
  with np.errstate(all="raise"):
    assert np.isnan(diversity.self_bleu(one)).all()
    assert np.isnan(diversity.distances(one)).all()
    assert np.isnan(diversity.distances([one[0][:0]] * 3)).all()
    assert (
      diversity.distances([]).shape == diversity.self_bleu([]).shape == (0,)
    )
    assert not diversity.near_duplicates([]).size


@pytest.mark.parametrize("count", [2, 3, 8, 16, 17])
def test_small_sets_are_compared_in_full(count: int) -> None:
  rows = [np.append(row, 1) for row in random_rows(count, 30)]
  found = diversity.distances(rows)
  for number, row in enumerate(rows):
    others = rows[:number] + rows[number + 1 :]
    each = alignment.whole_distance([row] * len(others), others)
    assert found[number] == pytest.approx(each.mean())


def test_large_sets_by_some_partners() -> None:
  rows = [np.append(row, 1) for row in random_rows(60, 30)]
  every = diversity.distances(rows, partners=60)
  some = [diversity.distances(rows, seed).mean() for seed in range(5)]
  np.testing.assert_allclose(some, every.mean(), atol=0.03)
  assert len(set(some)) == 5


def test_sets_in_the_expected_order() -> None:
  real = [piece_of(song) for song in songs()]
  copies = [real[4]] * 36
  pulses = [melody([60] * (30 + at)) for at in range(36)]
  sets = [
    [diversity.tokens(piece) for piece in pieces]
    for pieces in (real, copies, pulses)
  ]
  for order in (1, 2, 3, 4):
    found = [diversity.distinct(rows, order) for rows in sets]
    assert found[0] > found[1] > found[2]
  bleu = [diversity.self_bleu(rows).mean() for rows in sets]
  assert bleu[0] < 0.99 and bleu[1] == pytest.approx(1) and bleu[2] > 0.99
  apart = [diversity.distances(rows).mean() for rows in sets]
  assert apart[0] > 0.5 > apart[2] > apart[1] == 0
  copied = [diversity.near_duplicates(each) for each in (copies, pulses)]
  assert [found.sum() for found in copied] == [35, 35]
  degenerate = [
    sum(diversity.is_degenerate(piece) != "" for piece in pieces)
    for pieces in (real, copies, pulses)
  ]
  assert degenerate == [0, 0, 36]


def test_copies_in_another_key_and_tempo_are_found() -> None:
  rng = np.random.default_rng(0)
  tunes = [
    melody((60 + np.cumsum(rng.integers(-3, 4, 60))).tolist()) for _ in range(8)
  ]
  copy = dataclasses.replace(
    tunes[2],
    notes=tunes[2].notes.copy(),
    tempos=np.array([(0, 300_000)], notes.TEMPO),
  )
  copy.notes["pitch"] += 3
  copy.notes["pitch"][30] += 1  # and a note is changed
  finer = dataclasses.replace(
    tunes[5], ticks_per_beat=960, notes=tunes[5].notes.copy()
  )
  for name in ("start_tick", "duration_ticks"):
    finer.notes[name] *= 2
  pieces = [SILENT, *tunes, copy, SILENT, finer, melody([60]), SILENT]
  found = diversity.near_duplicates(pieces)
  assert found.nonzero()[0].tolist() == [9, 10, 11, 13]


@pytest.mark.parametrize(
  ("piece", "reason"),
  [
    (SILENT, "silent"),
    (melody([60] * 9), "fewer than 3 pitches"),
    (melody([60, 62] * 9), "fewer than 3 pitches"),
    (melody([60] * 9 + [62, 64]), "one of its pitches"),
    (melody([60] * 8 + [62, 64]), ""),
    (drum_piece([36] * 9), "fewer than 2 drums"),
    (drum_piece([36, 38] * 9), ""),
    (drum_piece([36] * 9 + [38]), "one of its drums"),
  ],
)
def test_degenerate_pieces(piece: notes.Piece, reason: str) -> None:
  found = diversity.is_degenerate(piece)
  assert found.startswith(reason) and bool(found) == bool(reason)


def test_drums_do_not_hide_a_poor_melody() -> None:
  tune = melody([60] * 9).notes
  piece = make_piece(tune, drum_piece([36, 38, 42, 46]).notes)
  assert diversity.is_degenerate(piece) == "fewer than 3 pitches"
