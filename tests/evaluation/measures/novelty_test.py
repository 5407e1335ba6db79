"""Planted excerpts are found in their place, copied sets are flagged, new ones
are not."""

import warnings

import numpy as np
import pytest
import scipy.stats

from musegen_jax.data import notes
from musegen_jax.evaluation.measures import novelty, novelty_index


def compose(rng: np.random.Generator, size: int = 100) -> notes.Piece:
  """A random walk in one rhythm of few, with repeats as music has them."""
  steps = rng.choice([-4, -2, -1, 0, 1, 2, 3], size)
  lengths = rng.choice([120, 240, 480], size)
  steps[size // 2 : size // 2 + 15] = steps[:15]
  pitch = 64 + (steps.cumsum() - 64) % 24
  return notes.Piece(
    480, notes.make_notes(lengths.cumsum() - lengths, lengths, pitch)
  )


def edited(
  piece: notes.Piece, rng: np.random.Generator, share: float
) -> notes.Piece:
  """Transposed, and some of the pitches changed."""
  table = piece.notes.copy()
  table["pitch"] += rng.integers(0, 12, dtype=np.uint8)
  table["pitch"][rng.random(len(table)) < share] += 1
  return notes.Piece(480, table)


def pieces(count: int, seed: int, size: int = 100) -> list[notes.Piece]:
  rng = np.random.default_rng(seed)
  return [compose(rng, size) for _ in range(count)]


TRAIN = pieces(200, 1)
INDEX = novelty_index.build(TRAIN)


def test_a_planted_excerpt_is_found_in_its_place() -> None:
  sample = compose(np.random.default_rng(2), 60)
  part = TRAIN[77].notes[40:60].copy()
  starts = sample.notes["start_tick"]
  part["pitch"] += 7
  # In place of 20 notes, those after it moved to where it ends.
  part["start_tick"] += starts[13] - part["start_tick"][0]
  rest = sample.notes[33:].copy()
  end = part["start_tick"][-1] + part["duration_ticks"][-1]
  rest["start_tick"] += end + 120 - rest["start_tick"][0]
  rest["pitch"] = (rest["pitch"] + 30) % 128
  table = np.concatenate([sample.notes[:13], part, rest])
  meters = np.array([(0, 3, 4)], notes.METER)
  piece = notes.Piece(480, table, meters=meters)
  found = novelty.measure([TRAIN[3], piece], INDEX)
  # Chance may lengthen it by a note at each end.
  assert 20 <= found.run_notes[1] <= 22
  before = 13 - found.run_at[1]
  assert (found.source[1], found.source_at[1]) == (77, 40 - before)
  first, last = found.run_at[1], found.run_at[1] + int(found.run_notes[1]) - 1
  ticks = table["start_tick"].astype(int)
  bars = (ticks[last] - ticks[first]) / 1440
  assert found.run_bars[1] == pytest.approx(bars)
  assert found.length.tolist() == [100, 60]


def test_a_training_piece_is_all_found() -> None:
  found = novelty.measure([TRAIN[3], TRAIN[0]], INDEX)
  for name, value in {
    "run_notes": 100,
    "run_at": 0,
    "source_at": 0,
    "share_8": 1,
    "share_12": 1,
    "distance": 0,
  }.items():
    assert getattr(found, name).tolist() == [value, value], name
  assert found.source.tolist() == found.nearest.tolist() == [3, 0]


def test_shares_and_nearest_of_a_copy_with_edits() -> None:
  table = TRAIN[50].notes.copy()
  table["pitch"][[30, 70]] += 1
  copy = notes.Piece(480, table[3:])
  found = novelty.measure([copy], INDEX)
  steps = len(copy.notes) - 1
  # Each edit spoils two steps and the n-grams that hold one of them.
  assert found.distance[0] == pytest.approx(4 / steps)
  assert found.nearest[0] == 50
  for size in (8, 12):
    grams = steps - size + 1
    expected = (grams - 2 * (size + 1)) / grams
    share = getattr(found, f"share_{size}")[0]
    assert expected <= share <= expected + 4 / grams
  # Between the edits.
  assert (found.run_notes[0], found.run_at[0]) == (39, 31 - 3)


def test_bars_follow_the_meters() -> None:
  table = notes.make_notes(
    np.arange(24) * 480, np.full(24, 480), 60 + np.arange(24) ** 2 % 11
  )
  plain = notes.Piece(480, table)
  # Two bars of 4/4, then 15 quarters of 6/8 up to where the last note begins.
  meters = np.array([(0, 4, 4), (8 * 480, 6, 8)], notes.METER)
  # Nonsense counts as 4/4; the second change is after the end.
  broken = np.array([(0, 0, 0), (99 * 480, 1, 4)], notes.METER)
  asked = [
    plain,
    notes.Piece(480, table, meters=meters),
    notes.Piece(480, table, meters=broken),
  ]
  found = novelty.measure(asked, novelty_index.build([plain]))
  np.testing.assert_allclose(found.run_bars, [23 / 4, 2 + 15 / 3, 23 / 4])


def test_what_is_not_there_is_nan() -> None:
  empty = notes.Piece(480, np.zeros(0, notes.NOTE))
  table = TRAIN[0].notes.copy()
  table["is_drum"] = True
  chord = notes.make_notes(np.zeros(5, int), np.full(5, 480), 60 + np.arange(5))
  far = notes.make_notes(
    np.array([0, 2**31 - 9]), np.array([1, 8]), np.array([0, 127])
  )
  asked = [
    empty,
    notes.Piece(480, table),
    notes.Piece(480, table[:1]),
    notes.Piece(480, chord),
    notes.Piece(32767, far),
  ]
  with warnings.catch_warnings():
    warnings.simplefilter("error")
    found = novelty.measure(asked, INDEX)
    nothing = novelty.measure([], INDEX)
    flags = novelty.flagged(found, nothing)
  np.testing.assert_array_equal(found.run_notes, [np.nan] * 4 + [0])
  np.testing.assert_array_equal(found.distance, [np.nan] * 4 + [1])
  assert np.isnan(found.share_8).all() and np.isnan(found.run_bars).all()
  assert set(found.source) == set(found.nearest) == {-1}
  assert not flags.copies and not flags.pieces.any() and len(flags.pieces) == 5


def test_copies_are_flagged_and_new_music_is_not() -> None:
  held_out = novelty.measure(pieces(200, 6), INDEX)
  fresh = novelty.flagged(novelty.measure(pieces(200, 7), INDEX), held_out)
  assert not fresh.copies and fresh.share <= 0.04 and fresh.p_value > 0.01
  assert fresh.held_out_share == 0.01
  rng = np.random.default_rng(8)
  chosen = [TRAIN[number] for number in rng.integers(0, 200, 100)]
  copies = novelty.measure([edited(p, rng, 0.05) for p in chosen], INDEX)
  found = novelty.flagged(copies, held_out)
  assert found.copies and found.share > 0.9 and found.p_value < 1e-6
  for name in ("run_notes", "run_bars", "share_8", "share_12"):
    ours, theirs = (getattr(side, name) for side in (copies, held_out))
    assert np.nanmedian(ours) > np.nanpercentile(theirs, 95), name
  assert np.median(copies.distance) < np.percentile(held_out.distance, 5)


def test_a_few_copies_among_many_are_named() -> None:
  held_out = novelty.measure(pieces(200, 6), INDEX)
  rng = np.random.default_rng(9)
  planted = [edited(TRAIN[number], rng, 0.0) for number in range(10)]
  samples = novelty.measure(pieces(100, 10) + planted, INDEX)
  found = novelty.flagged(samples, held_out)
  assert found.pieces[100:].all() and found.pieces[:100].sum() <= 4
  assert found.copies
  two = novelty.flagged(
    novelty.Novelty(*[np.delete(part, np.s_[102:]) for part in samples]),
    held_out,
  )
  assert not two.copies  # some, but hardly more than held-out music


@pytest.mark.parametrize(
  ("hits", "count", "other", "others"),
  [(5, 20, 1, 30), (0, 9, 0, 9), (3, 3, 4, 40), (7, 50, 9, 40)],
)
def test_p_value_is_fishers(
  hits: int, count: int, other: int, others: int
) -> None:
  table = [[hits, count - hits], [other, others - other]]
  expected = scipy.stats.fisher_exact(table, alternative="greater").pvalue
  assert novelty._fisher(hits, count, other, others) == pytest.approx(expected)


def invented(runs: np.ndarray, length: float = 1.0) -> novelty.Novelty:
  columns = {name: np.ones(len(runs)) for name in novelty.Novelty._fields}
  lengths = np.full(len(runs), length)
  return novelty.Novelty(**columns | {"run_notes": runs, "length": lengths})


def test_long_pieces_may_have_longer_runs() -> None:
  held_out = invented(np.arange(200.0), 100)
  runs = np.arange(0, 220, 1.1)
  short = novelty.flagged(invented(runs, 100), held_out)
  long = novelty.flagged(invented(2 * runs, 400), held_out)
  assert short.pieces.any() and (short.pieces == long.pieces).all()
  assert not novelty.flagged(invented(runs, 400), held_out).pieces.any()


def test_false_flags_are_as_rare_as_promised() -> None:
  rng = np.random.default_rng(13)
  found = [
    novelty.flagged(*[invented(rng.lognormal(size=n)) for n in (100, 300)])
    for _ in range(300)
  ]
  share = np.mean([flags.share for flags in found])
  assert share == pytest.approx(4 / 301, abs=0.004)
  assert np.mean([flags.p_value < 0.05 for flags in found]) < 0.08
  assert sum(flags.copies for flags in found) <= 6


@pytest.mark.parametrize(
  ("hits", "count", "copies"),
  [
    (40, 1000, False),  # surely more than held-out music, but few
    (60, 1000, True),
    (1, 10, False),  # a tenth, but perhaps by chance
    (4, 10, True),
  ],
)
def test_a_set_is_flagged_for_many_and_surely(
  hits: int, count: int, copies: bool
) -> None:
  samples = invented(np.repeat([900.0, 0.0], [hits, count - hits]))
  found = novelty.flagged(samples, invented(np.arange(400.0)))
  assert found.copies == copies and found.share == hits / count
  assert found.held_out_share == 0.01 and found.pieces.sum() == hits
