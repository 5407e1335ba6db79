"""Fitness against all families of paths, and what it says of real phrases."""

import itertools

import numpy as np
import pytest

from musegen_jax.data import notes
from musegen_jax.evaluation.measures import fitness
from tests.data.pieces import STEP, make_piece, part

Bar = list[tuple[int, float]]

# Bars of (pitch, beats): two phrases of four bars of each tune. A pitch alone
# lasts a beat.
TUNES = {
  "Ode to Joy": (
    "64 64 65 67 | 67 65 64 62 | 60 60 62 64 | 64:1.5 62:.5 62:2",
    "62 62 64 60 | 62 64:.5 65:.5 64 60 | 62 64:.5 65:.5 64 62 | 60 62 55:2",
  ),
  "Twinkle": (
    "60 60 67 67 | 69 69 67:2 | 65 65 64 64 | 62 62 60:2",
    "67 67 65 65 | 64 64 62:2 | 67 67 65 65 | 64 64 62:2",
  ),
  "Good King Wenceslas": (
    "67 67 67 69 | 67 67 62:2 | 64 62 64 66 | 67:2 67:2",
    "74 72 71 69 | 71 69 67:2 | 64 62 64 66 | 67:2 67:2",
  ),
  "London Bridge": (
    "67:1.5 69:.5 67 65 | 64 65 67:2 | 62 64 65:2 | 64 65 67:2",
    "67:1.5 69:.5 67 65 | 64 65 67:2 | 62:2 67:2 | 64 60:3",
  ),
  "Aura Lee": (
    "62 67 66 67 | 69 64 69:2 | 67 66 64 66 | 67:4",
    "71 71 71:2 | 71 71 71:2 | 71 69 67 69 | 71:4",
  ),
  "Yankee Doodle": (
    "67 67 69 71 | 67 71 69 62 | 67 67 69 71 | 67:2 66:2",
    "64:1.5 66:.5 64 62 | 64 66 67:2 | 62:1.5 64:.5 62 60 | 59:2 62:2",
  ),
}


def phrase(text: str) -> list[Bar]:
  """Reads a phrase of `TUNES`."""
  bars = [bar.split() for bar in text.split("|")]
  return [
    [
      (int(note.split(":")[0]), float((note + ":1").split(":")[1]))
      for note in b
    ]
    for b in bars
  ]


def piece_of(bars: list[Bar]) -> notes.Piece:
  """Notes one after another at 120 beats a minute."""
  pitches, beats = np.array([note for bar in bars for note in bar]).T
  ticks = (beats * 4 * STEP).astype(int)
  starts = np.append(0, ticks.cumsum()[:-1])
  return notes.Piece(4 * STEP, notes.make_notes(starts, ticks, pitches))


def songs() -> list[list[Bar]]:
  """AABA of the first phrase of one tune and the second of another."""
  pairs = itertools.product(TUNES.values(), TUNES.values())
  return [phrase(a) * 2 + phrase(b) + phrase(a) for (a, _), (_, b) in pairs]


def shuffled(bars: list[Bar], rng: np.random.Generator) -> list[Bar]:
  """The same bars in another order."""
  return [bars[number] for number in rng.permutation(len(bars))]


def noise(bars: list[Bar], rng: np.random.Generator) -> list[Bar]:
  """The same rhythms in another order, on random pitches of the range."""
  pitches = [pitch for bar in bars for pitch, _ in bar]
  low, high = min(pitches), max(pitches) + 1
  beats = [beat for bar in bars for _, beat in bar]
  return [
    [(int(rng.integers(low, high)), beat)] for beat in rng.permutation(beats)
  ]


def families(frames: int, length: int) -> list[tuple[int, ...]]:
  """First rows of paths of which no two share a row."""
  places = range(frames - length + 1)
  return [
    chosen
    for count in range(frames // length + 1)
    for chosen in itertools.combinations(places, count)
    if all(b - a >= length for a, b in itertools.pairwise(chosen))
  ]


def slow_fitness(matrix: np.ndarray, length: int, start: int) -> float:
  """Of one segment, by trying all families of paths."""
  frames = len(matrix)
  scored = []
  for family in families(frames, length):
    score = sum(
      matrix[row + step, start + step]
      for row in family
      for step in range(length)
    )
    scored.append((round(score, 9), -len(family)))
  score, count = max(scored)
  cells = -count * length
  if score <= length or cells <= length:
    return 0
  normalised, coverage = (score - length) / cells, (cells - length) / frames
  return 2 * normalised * coverage / (normalised + coverage)


@pytest.mark.parametrize("frames", [1, 2, 5, 8, 11])
@pytest.mark.parametrize("values", [[-2, 0, 0.5, 1], [-2, 1], None])
def test_fitness_is_that_of_the_best_of_all_families(
  frames: int, values: list[float] | None
) -> None:
  rng = np.random.default_rng(frames)
  matrix = rng.uniform(0, 1, (frames, frames))
  matrix[matrix < 0.4] = -2
  if values:
    matrix = rng.choice(values, (frames, frames))
  matrix = np.maximum(matrix, matrix.T)
  np.fill_diagonal(matrix, 1)
  found = fitness.scape_plot(matrix)
  assert found.shape == (frames + 1, frames)
  for length in range(1, frames + 1):
    for start in range(frames):
      expected = 0
      if start + length <= frames:
        expected = slow_fitness(matrix, length, start)
      assert found[length, start] == pytest.approx(expected, abs=2e-4)


def test_two_halves_alike() -> None:
  matrix = np.full((12, 12), -2.0)
  for lag in (-6, 0, 6):
    matrix[np.eye(12, k=lag, dtype=bool)] = 1
  found = fitness.scape_plot(matrix)
  # Score and coverage of what is not the segment itself: half of the piece.
  assert found[6, 0] == found[6, 6] == pytest.approx(0.5)
  assert found[6, 1:6].max() < 0.5
  assert found[3, 0] == pytest.approx(2 * 0.5 * 0.25 / 0.75)


def test_a_batch_says_what_each_says_alone() -> None:
  rng = np.random.default_rng(0)
  matrices = []
  for frames in [*rng.integers(1, 40, 50), 0, 128]:
    matrix = rng.choice([-2, 0.3, 1], (frames, frames))
    np.fill_diagonal(matrix, 1)
    matrices.append(np.maximum(matrix, matrix.T))
  best = fitness.best_fitness(matrices)
  assert best.shape == (52, 65)
  for row, matrix in zip(best, matrices, strict=True):
    half = len(matrix) // 2
    alone = fitness.scape_plot(matrix) if half < 30 else None
    assert np.isnan(row[half + 1 :]).all() and np.isnan(row[:2]).all()
    if alone is not None and half > 1:
      np.testing.assert_allclose(row[2 : half + 1], alone[2 : half + 1].max(1))
  assert fitness.best_fitness([]).shape == (0, 1)


def test_padding_explains_nothing() -> None:
  # The last three columns come again all over, the one before does not.
  matrix = np.full((16, 16), -2.0)
  matrix[:, 13:] = 1
  np.fill_diagonal(matrix, 1)
  alone = fitness.best_fitness([matrix])[0]
  beside = fitness.best_fitness([matrix, np.ones((60, 60))])[0]
  np.testing.assert_allclose(beside[:9], alone)


def test_extreme_sums_do_not_overflow() -> None:
  ones = np.ones((128, 128))
  found = fitness.scape_plot(ones)
  # A family of paths all over: 128 / l of them.
  for length in (1, 2, 4, 64):
    assert found[length, 0] == pytest.approx(1 - length / 128)
  apart = np.where(np.eye(128, dtype=bool), 1, -2)
  assert not fitness.scape_plot(apart).any()


def test_a_song_above_its_bars_shuffled_above_noise() -> None:
  rng = np.random.default_rng(1)
  bars = songs()
  sets = [
    bars,
    [shuffled(song, rng) for song in bars],
    [noise(song, rng) for song in bars],
  ]
  song, mixed, random = (
    fitness.structureness([piece_of(bars) for bars in part])[:, :2]
    for part in sets
  )
  assert ((song > mixed).mean(0) >= 0.95).all()
  assert ((mixed > random).mean(0) >= [0.95, 0.8]).all()
  # Whole phrases come again: three of four.
  assert song[:, 1].min() > 0.45


def test_ranges_of_seconds() -> None:
  # Two bars of 2 s, again and again.
  bars = phrase(TUNES["Twinkle"][0])[:2] * 8
  found = fitness.structureness([piece_of(bars)])[0]
  np.testing.assert_allclose(found, 1 - np.array([4, 8, 16]) / 32)
  # Six bars that differ, twice.
  bars = (phrase(TUNES["Aura Lee"][0]) + phrase(TUNES["Ode to Joy"][1])[:2]) * 2
  short, medium, _ = fitness.structureness([piece_of(bars)])[0]
  assert medium == pytest.approx(0.5)
  assert short < 0.45
  lengths = {2: 0, 3: 1, 7: 1, 8: 2, 14: 2, 15: 3}
  for count, known in lengths.items():
    song = songs()[1] * 2
    found = fitness.structureness([piece_of(song[:count])])[0]
    assert (~np.isnan(found)).sum() == known


def test_twice_as_fast_is_half_as_long() -> None:
  song = piece_of(songs()[1])
  tempo = np.array([(0, 250_000)], notes.TEMPO)
  fast = notes.Piece(song.ticks_per_beat, song.notes, tempo)
  found = fitness.structureness([song, fast])
  # The phrase of 8 s lasts 4 s; half of 16 s is just 8 s.
  assert found[1, 0] == pytest.approx(found[0, 1], abs=0.1)
  assert np.isnan(found[1, 2])


def test_one_note_over_and_over_is_not_rated() -> None:
  pulse = make_piece(part([(4 * at, 4 * at + 4, 60) for at in range(64)]))
  drone = make_piece(part([(0, 256, 60)]))
  apart = make_piece(part([(0, 4, 60), (400, 404, 64)]))
  silent = notes.Piece(480, np.zeros(0, notes.NOTE))
  timeless = notes.Piece(
    480, pulse.notes, np.array([(0, 0)], notes.TEMPO), pulse.meters
  )
  with np.errstate(all="raise"):
    found = fitness.structureness([pulse, drone, apart, silent, timeless])
  assert np.isnan(found).all()
  assert fitness.structureness([]).shape == (0, 3)
  # Two bars in turn are rated: near the maximum, for they explain all.
  turns = make_piece(
    part([(4 * at, 4 * at + 4, 60 + at // 4 % 2 * 3) for at in range(64)])
  )
  assert fitness.structureness([turns])[0, 0] > 0.8
