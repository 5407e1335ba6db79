"""What the index finds is what a search of every place finds."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from musegen_jax.data import notes
from musegen_jax.evaluation.measures import novelty_index
from musegen_jax.evaluation.measures.view import View


def melody(
  pitch: np.ndarray, sixteenths: np.ndarray, beat: int = 480, begins: int = 0
) -> notes.Piece:
  start = begins + np.append(0, np.cumsum(sixteenths)[:-1]) * beat // 4
  length = np.asarray(sixteenths) * beat // 4
  return notes.Piece(beat, notes.make_notes(start, length, pitch))


def random_melody(rng: np.random.Generator, size: int) -> notes.Piece:
  pitch = 60 + rng.integers(-1, 2, size).cumsum()
  return melody(pitch, rng.integers(1, 3, size))


def tokens(piece: notes.Piece) -> np.ndarray:
  return novelty_index.tokens(View(piece))


@given(st.lists(st.integers(-3, 3), max_size=60))
def test_suffixes_are_sorted(values: list[int]) -> None:
  found = novelty_index.suffix_array(np.array(values, np.int32))
  places = sorted(range(len(values)), key=lambda place: values[place:])
  assert found.tolist() == places


def test_long_repeats_are_sorted() -> None:
  rng = np.random.default_rng(0)
  values = np.tile(rng.integers(0, 5, 97), 9)
  values[500] = 7
  found = novelty_index.suffix_array(values)
  rows = values.tolist()
  assert found.tolist() == sorted(range(len(rows)), key=lambda p: rows[p:])


def test_tokens_forget_key_place_and_resolution() -> None:
  rng = np.random.default_rng(1)
  pitch, lengths = rng.integers(50, 70, 40), rng.integers(1, 9, 40)
  written = tokens(melody(pitch, lengths))
  moved = tokens(melody(pitch + 9, lengths, beat=96, begins=1000))
  np.testing.assert_array_equal(written, moved)
  assert len(written) == 39
  # One sixteenth longer, one semitone higher: the steps to and from a note.
  lengths[4] += 1
  pitch[20] += 1
  other = tokens(melody(pitch, lengths))
  assert (other != written).nonzero()[0].tolist() == [4, 19, 20]


def test_rests_of_two_bars_or_more_are_alike() -> None:
  found = [tokens(melody([60, 62], [gap, 4]))[0] for gap in (31, 32, 48)]
  assert found[0] != found[1] == found[2]


def test_chords_and_drums_leave_the_top_line() -> None:
  top = notes.make_notes(np.arange(8) * 480, np.full(8, 480), 60 + np.arange(8))
  low = notes.make_notes(np.arange(8) * 480, np.full(8, 480), 40 - np.arange(8))
  drum = notes.make_notes(
    np.arange(40) * 96, np.full(40, 9), np.full(40, 99), is_drum=True
  )
  full = notes.Piece(480, notes.sort(np.concatenate([top, low, drum])))
  np.testing.assert_array_equal(tokens(full), tokens(notes.Piece(480, top)))


def longest(row: list[int], rows: list[list[int]]) -> list[int]:
  """Longest common run from each place of a row, by trying every place."""
  found = []
  for at in range(len(row)):
    best = 0
    for other in rows:
      for there in range(len(other)):
        size = 0
        while (row + [-1])[at + size] == (other + [-2])[there + size]:
          size += 1
        best = max(best, size)
    found.append(best)
  return found


@pytest.mark.parametrize("seed", range(12))
def test_runs_are_the_longest_there_are(seed: int) -> None:
  rng = np.random.default_rng(seed)
  # Six kinds of step; some pieces are repeated, some too short.
  train = [random_melody(rng, rng.integers(1, 25)) for _ in range(12)]
  train += train[:2]
  asked = [random_melody(rng, size) for size in (20, 1, 2, 30)] + train[:1]
  index = novelty_index.build(iter(train))
  rows = [tokens(piece) for piece in asked]
  found = novelty_index.match(index, rows)
  others = [tokens(piece).tolist() for piece in train]
  expected = [longest(row.tolist(), others) for row in rows]
  assert found.lengths.tolist() == sum(expected, [])
  joined, end = np.concatenate(rows), np.cumsum([len(row) for row in rows])
  for at, (size, place) in enumerate(zip(*found[:2], strict=True)):
    assert (place < 0) == (size == 0)
    np.testing.assert_array_equal(
      index.text[place : place + size], joined[at : at + size]
    )
    assert at + size <= end[np.searchsorted(end, at, side="right")]


def test_n_grams_are_numbered_by_what_they_are() -> None:
  rng = np.random.default_rng(2)
  train = [random_melody(rng, 30) for _ in range(30)]
  index = novelty_index.build(train)
  rows = [tokens(random_melody(rng, 200))]
  found = novelty_index.match(index, rows).grams
  size = novelty_index.GRAM
  holders: dict[tuple, set[int]] = {}
  for number, piece in enumerate(train):
    row = tokens(piece).tolist()
    for at in range(len(row) - size + 1):
      holders.setdefault(tuple(row[at : at + size]), set()).add(number)
  for at, gram in enumerate(found):
    expected = holders.get(tuple(rows[0][at : at + size].tolist()), set())
    if not expected:
      assert gram == -1
      continue
    begin = index.posting_ends[gram - 1] if gram else 0
    pieces = index.postings[begin : index.posting_ends[gram]]
    assert sorted(pieces.tolist()) == sorted(expected)


def test_the_most_alike_come_first() -> None:
  rng = np.random.default_rng(3)
  train = [random_melody(rng, 60) for _ in range(100)]
  table = train[40].notes.copy()
  table["pitch"] += 5
  table["pitch"][::20] += 3
  near = notes.Piece(480, table)
  index = novelty_index.build(train)
  grams = novelty_index.match(index, [tokens(near)]).grams
  assert novelty_index.similar(index, grams, 3)[0] == 40
  assert len(novelty_index.similar(index, grams, 3)) == 3
  assert not len(novelty_index.similar(index, np.array([-1, -1]), 3))


def test_likeness_is_the_cosine_of_rare_n_grams() -> None:
  rng = np.random.default_rng(6)
  train = [random_melody(rng, 40) for _ in range(15)]
  asked = random_melody(rng, 80)
  index = novelty_index.build(train)

  def grams(piece: notes.Piece) -> set[tuple]:
    row = tokens(piece).tolist()
    return {tuple(row[at : at + 4]) for at in range(len(row) - 3)}

  held = [grams(piece) for piece in train]
  rarity = {
    gram: np.log(1 + 15 / sum(gram in other for other in held))
    for gram in set().union(*held)
  }
  cosines = [
    sum(rarity[gram] ** 2 for gram in grams(asked) & other)
    / np.sqrt(sum(rarity[gram] ** 2 for gram in other))
    for other in held
  ]
  found = novelty_index.match(index, [tokens(asked)]).grams
  best = novelty_index.similar(index, found, 15)
  assert best.tolist() == np.argsort(cosines)[::-1][: len(best)].tolist()
  assert len(best) == np.count_nonzero(cosines) > 9


def test_what_most_pieces_hold_tells_none_apart() -> None:
  rng = np.random.default_rng(5)
  opening = [60, 64, 67, 72, 67]

  def tune() -> notes.Piece:
    pitch = np.append(opening, rng.integers(40, 90, 30))
    return melody(pitch, np.full(35, 4))

  index = novelty_index.build([tune() for _ in range(40)])
  found = novelty_index.match(index, [tokens(melody(opening, [4] * 5))])
  assert found.lengths[0] == 4 and found.grams[0] >= 0
  assert not len(novelty_index.similar(index, found.grams, 5))


def test_an_index_of_one_piece_finds_it() -> None:
  piece = random_melody(np.random.default_rng(4), 30)
  index = novelty_index.build([piece])
  found = novelty_index.match(index, [tokens(piece)])
  assert found.lengths.tolist() == list(range(29, 0, -1))
  assert novelty_index.similar(index, found.grams, 5).tolist() == [0]


@pytest.mark.parametrize(
  "train", [[], [random_melody(np.random.default_rng(0), 1)]]
)
def test_without_training_music_nothing_is_common(
  train: list[notes.Piece],
) -> None:
  index = novelty_index.build(train)
  rows = [tokens(random_melody(np.random.default_rng(0), 9))]
  found = novelty_index.match(index, rows)
  assert found.lengths.tolist() == [0] * 8
  assert set(found.places) == set(found.grams) == {-1}
  assert not len(novelty_index.similar(index, found.grams, 5))
  assert not len(novelty_index.match(index, []).lengths)
