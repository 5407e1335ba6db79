"""Copies with small edits, and notes that have lost their order."""

import numpy as np

from musegen_jax.comparison import controls
from musegen_jax.comparison.hearing import Hearing
from musegen_jax.data import notes
from musegen_jax.data.codecs import codec as codec_lib
from tests.comparison import tunes

HEARING = Hearing(codec_lib.load("melody"), 64, 8.0)


def excerpts(count: int) -> list:
  pieces = [tunes.tune(number) for number in range(count)]
  return [HEARING.excerpt(HEARING.cut(p)[0], n) for n, p in enumerate(pieces)]


def test_copies_keep_nearly_every_interval() -> None:
  kept, total, shifts = 0, 0, set()
  for excerpt in excerpts(20):
    copy = controls.edited(excerpt, HEARING, 0)
    own = excerpt.piece.notes["pitch"].astype(int)
    moved = copy.notes["pitch"].astype(int) - own
    values, counts = np.unique(moved, return_counts=True)
    shifts.add(int(values[counts.argmax()]))
    kept += counts.max()
    total += len(own)
  assert 0.9 < kept / total < 1
  assert len(shifts) > 3 and max(map(abs, shifts)) <= controls.LARGEST_SHIFT


def test_copies_of_drums_lose_notes_and_move_none() -> None:
  drums = Hearing(codec_lib.load("drums"), 64, 8.0)
  for excerpt in excerpts(5):
    copy = controls.edited(excerpt, drums, 0)
    assert 0 < len(copy.notes) <= len(excerpt.piece.notes)
    assert np.isin(copy.notes, excerpt.piece.notes).all()


def test_shuffling_keeps_rhythm_and_pitches() -> None:
  for excerpt in excerpts(5):
    mixed = controls.shuffled(excerpt, 0)
    for name in ("start_tick", "duration_ticks"):
      np.testing.assert_array_equal(
        mixed.notes[name], excerpt.piece.notes[name]
      )
    own = excerpt.piece.notes["pitch"]
    assert sorted(mixed.notes["pitch"]) == sorted(own)
    assert (mixed.notes["pitch"] != own).any()


def test_bars_keep_their_music_and_change_places() -> None:
  moved = 0
  for excerpt in excerpts(8):
    mixed = controls.bars_shuffled(excerpt, HEARING, 0)
    found = [bars(piece) for piece in (excerpt.piece, mixed)]
    assert sorted(found[0]) == sorted(found[1])
    moved += found[0] != found[1]
    ends = mixed.notes["start_tick"] + mixed.notes["duration_ticks"]
    assert (ends[:-1] <= mixed.notes["start_tick"][1:]).all()
  assert moved > 4


def bars(piece: notes.Piece) -> list[list[tuple[int, int]]]:
  """Place and pitch of the notes of each bar of 4/4."""
  ticks = 4 * piece.ticks_per_beat
  bar, inside = np.divmod(piece.notes["start_tick"], ticks)
  pitch = piece.notes["pitch"]
  return [
    [
      (int(a), int(b))
      for a, b in zip(inside[bar == n], pitch[bar == n], strict=True)
    ]
    for n in range(int(bar.max()) + 1)
  ]


def test_seeds_and_pieces_address_the_edits() -> None:
  one, other = excerpts(2)
  again = controls.shuffled(one, 0).notes
  np.testing.assert_array_equal(again, controls.shuffled(one, 0).notes)
  assert (again != controls.shuffled(one, 1).notes).any()
  assert len(other.tokens) == 64
