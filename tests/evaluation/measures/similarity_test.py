"""Frames that fit the bar, and what is alike in them."""

import dataclasses

import numpy as np
import pytest

from musegen_jax.data import notes
from musegen_jax.evaluation.measures import similarity
from tests.data.pieces import make_piece, part

SILENT = notes.Piece(480, np.zeros(0, notes.NOTE))


def phrase(first: int, pitches: list[int], length: int = 4) -> list:
  """Notes one after another, times in sixteenths."""
  return [
    (first + length * at, first + length * (at + 1), pitch)
    for at, pitch in enumerate(pitches)
  ]


@pytest.mark.parametrize(
  ("meter", "beat", "frame"),
  [
    ((4, 4), 500_000, 4),  # 0.5 s
    ((4, 4), 300_000, 8),  # 0.6 s, nearer than 0.3
    ((4, 4), 1_000_000, 2),
    ((3, 4), 500_000, 4),
    ((3, 4), 250_000, 6),  # 8 sixteenths are no part of the bar
    ((6, 8), 250_000, 6),
    ((7, 8), 500_000, 7),
    ((0, 4), 500_000, 4),  # nonsense
  ],
)
def test_a_frame_is_the_part_of_the_bar_nearest_to_half_a_second(
  meter: tuple[int, int], beat: int, frame: int
) -> None:
  piece = make_piece(
    part(phrase(0, [60] * 24)), meters=[(0, *meter)], tempos=[(0, beat)]
  )
  assert similarity.frame_sixteenths(piece) == frame
  seconds = frame / 4 * beat / 1e6
  assert similarity.frame_seconds(piece) == pytest.approx(seconds)
  assert len(similarity.self_similarity(piece)) == -(-96 // frame)


def test_the_bar_is_that_of_the_meter_that_lasts() -> None:
  meters = [(0, 1, 8), (2, 3, 4)]
  piece = make_piece(
    part(phrase(0, [60] * 24)), meters=meters, tempos=[(0, 250_000)]
  )
  assert similarity.frame_sixteenths(piece) == 6


def test_long_pieces_have_longer_frames() -> None:
  for bars, frame in ((32, 4), (33, 8), (64, 8), (128, 16), (129, 32)):
    piece = make_piece(part(phrase(0, [60, 62, 64, 65] * bars)))
    assert similarity.frame_sixteenths(piece) == frame
    assert len(similarity.self_similarity(piece)) <= similarity.MAX_FRAMES
  last = 2_000_000_000
  far = notes.Piece(480, notes.make_notes(np.array([0, last]), 9, 60))
  assert len(similarity.self_similarity(far)) <= similarity.MAX_FRAMES


def test_pitch_and_rhythm_each_count_half() -> None:
  bar = [60, 64, 67, 72]
  rows = phrase(0, bar) + phrase(16, bar) + phrase(32, [62, 65, 69, 74])
  rows += phrase(48, [60, 60, 64, 64, 67, 67, 72, 72], length=2)
  found = similarity.self_similarity(make_piece(part(rows)))
  np.testing.assert_allclose(found, found.T)
  np.testing.assert_allclose(np.diagonal(found), 1)
  for frame in range(4):
    assert found[frame, 4 + frame] == pytest.approx(1)
    # The rhythm again, but not the pitches; then the pitches twice as often.
    assert found[frame, 8 + frame] == pytest.approx(0)
    assert found[frame, 12 + frame] == pytest.approx(0.5 + 0.5 / np.sqrt(2))


def test_chroma_is_the_time_that_sounds_in_the_frame() -> None:
  # A dotted note, then in the second frame one half and one quarter of another.
  piece = make_piece(part([(0, 6, 60), (6, 7, 64), (8, 12, 60), (12, 16, 64)]))
  found = similarity.self_similarity(piece)
  second = np.array([2, 1]) / np.sqrt(5)
  chroma = [second @ [1, 0], second @ [1, 0], second @ [0, 1]]
  np.testing.assert_allclose(found[1, [0, 2, 3]], np.array(chroma) / 2)
  assert found[0, 2] == pytest.approx(1)


def test_silence_is_like_silence_alone() -> None:
  piece = make_piece(part([(0, 4, 60), (12, 16, 60)]))
  found = similarity.self_similarity(piece)
  np.testing.assert_allclose(found[0], [1, 0, 0, 1])
  np.testing.assert_allclose(found[1], [0, 1, 1, 0])


def test_drums_count_where_nothing_else_plays() -> None:
  tune = part(phrase(0, [60, 62, 60, 62]))
  beat = part(phrase(0, [36, 36, 38, 36]), track=1)
  beat["is_drum"] = True
  alone = similarity.self_similarity(make_piece(beat))
  np.testing.assert_allclose(alone[0], [1, 1, 0, 1])
  both = similarity.self_similarity(make_piece(tune, beat))
  np.testing.assert_allclose(both[0], [1, 0, 1, 0])


def test_enhanced_by_hand() -> None:
  # 8 distinct frames twice: a diagonal of ones, kept with its neighbourhood.
  matrix = np.eye(16) + np.eye(16, k=8) + np.eye(16, k=-8)
  found = similarity.enhance(matrix)
  kept = int(similarity.KEPT * 16 * 16)
  assert (found != similarity.PENALTY).sum() >= kept
  np.testing.assert_allclose(np.diagonal(found, 8), 1)
  np.testing.assert_allclose(np.diagonal(found), 1)
  slow = np.zeros_like(matrix)
  for row in range(16):
    for column in range(16):
      means = []
      for sign in (1, -1):
        cells = [
          (row + sign * step, column + sign * step)
          for step in range(similarity.SMOOTHED)
        ]
        means.append(
          sum(matrix[at] for at in cells if 0 <= min(at) and max(at) < 16)
          / similarity.SMOOTHED
        )
      slow[row, column] = max(means)
  lowest = np.sort(slow, None)[16 * 16 - kept - 1]
  slow = np.where(slow >= lowest, (slow - lowest) / (1 - lowest), -2)
  np.fill_diagonal(slow, 1)
  np.testing.assert_allclose(found, slow, atol=1e-6)


def test_a_fifth_of_the_cells_is_kept() -> None:
  matrix = np.random.default_rng(0).uniform(size=(40, 40))
  found = similarity.enhance(np.maximum(matrix, matrix.T))
  assert (found >= 0).mean() == pytest.approx(0.2, abs=0.03)
  np.testing.assert_array_equal(found, found.T)
  # Also where no frame has three others after or before it.
  np.testing.assert_allclose(np.diagonal(similarity.enhance(np.eye(3))), 1)


def test_all_alike_stays_all_alike() -> None:
  found = similarity.enhance(np.ones((9, 9)))
  assert set(np.diagonal(found, 3).tolist()) == {1}


def test_silent_pieces_have_no_frames() -> None:
  found = similarity.self_similarity(SILENT)
  assert similarity.enhance(found).shape == (0, 0)
  assert np.isnan(similarity.frame_seconds(SILENT))


def test_ticks_do_not_matter() -> None:
  piece = make_piece(part(phrase(0, [60, 64, 62, 67] * 4, length=3)))
  finer = piece.notes.copy()
  finer["start_tick"] *= 2
  finer["duration_ticks"] *= 2
  fine = dataclasses.replace(piece, ticks_per_beat=960, notes=finer)
  np.testing.assert_allclose(
    similarity.self_similarity(fine), similarity.self_similarity(piece)
  )
