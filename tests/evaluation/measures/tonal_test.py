"""Measures of key: equal to muspy's and music21's."""

import math

import muspy
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from music21 import corpus
from music21.analysis import discrete

from musegen_jax.data import notes
from musegen_jax.evaluation.measures import tonal
from musegen_jax.evaluation.measures.view import View
from tests.evaluation.measures import pieces

KEYS = st.tuples(st.integers(0, 11), st.sampled_from(["major", "minor"]))


@settings(deadline=None, max_examples=60)
@given(pieces.random_pieces(), KEYS)
def test_scales_are_those_of_muspy(
  piece: notes.Piece, key: tuple[int, str]
) -> None:
  view, music = View(piece), pieces.to_muspy(piece)
  expected = muspy.pitch_in_scale_rate(music, *key)
  assert tonal.pitch_in_scale_rate(view, *key) == pytest.approx(expected)
  expected = muspy.scale_consistency(music)
  assert tonal.scale_consistency(view) == pytest.approx(expected)


@pytest.mark.parametrize("path", ["bwv66.6", "ciconia/quod_jactatur"])
def test_keys_are_those_of_music21(path: str) -> None:
  score, view = corpus.parse(path), View(pieces.corpus_piece(path))
  for profiles, analysis in (
    (tonal.KRUMHANSL_KESSLER, discrete.KrumhanslKessler),
    (tonal.TEMPERLEY, discrete.TemperleyKostkaPayne),
  ):
    expected = analysis(score).getSolution(score)
    found = tonal.key(view, profiles)
    assert found.tonic == expected.tonic.pitchClass
    assert found.mode == expected.mode
    assert found.strength == pytest.approx(expected.correlationCoefficient)
    assert tonal.key_strength(view, profiles) == found.strength


def test_a_profile_is_its_own_key() -> None:
  for profiles in (tonal.TEMPERLEY, tonal.KRUMHANSL_KESSLER):
    for values, mode in zip(profiles, ("major", "minor"), strict=True):
      lengths = 10 * np.array(values)
      view = View(pieces.line(list(range(67, 79)), lengths.tolist()))
      found = tonal.key(view, profiles)
      assert found[:2] == (7, mode)
      assert found.strength == pytest.approx(1, abs=1e-4)


def test_notes_out_of_key() -> None:
  scale = [60, 62, 64, 65, 67, 69, 71, 72, 67, 64, 60]
  assert tonal.in_key_rate(View(pieces.line(scale, [1] * 11))) == 1
  minor = [57, 60, 64, 57, 59, 60, 56, 57]  # the leading tone is outside
  assert tonal.in_key_rate(View(pieces.line(minor, [1] * 8))) == 7 / 8
  scale[1] = 61
  view = View(pieces.line(scale, [1] * 11))
  assert tonal.in_key_rate(view) == pytest.approx(10 / 11)


def test_long_notes_weigh_more() -> None:
  view = View(pieces.line([60, 64, 74], [3, 0.5, 1.5]))
  expected = np.zeros(12)
  expected[[0, 4, 2]] = 0.6, 0.1, 0.3
  np.testing.assert_allclose(tonal.pitch_class_histogram(view), expected)


def test_transitions_by_hand() -> None:
  view = View(pieces.line([60, 64, 72, 64, 67], [1] * 5))
  expected = np.zeros((12, 12))
  expected[0, 4], expected[4, 0], expected[4, 7] = 0.5, 0.25, 0.25
  np.testing.assert_allclose(tonal.pitch_class_transitions(view), expected)


@settings(deadline=None, max_examples=60)
@given(pieces.random_pieces(), st.integers(1, 11))
def test_key_moves_with_the_music(piece: notes.Piece, shift: int) -> None:
  before = tonal.key(View(piece))
  moved = notes.Piece(piece.ticks_per_beat, piece.notes.copy())
  moved.notes["pitch"] += np.uint8(shift)
  after = tonal.key(View(moved))
  assert after.tonic == (before.tonic + shift) % 12
  assert after[1:] == pytest.approx(before[1:])


def test_ties_follow_the_last_note() -> None:
  # A diminished seventh chord lies in four keys alike.
  for last in (60, 63, 66, 69):
    chord = [pitch for pitch in (60, 63, 66, 69) if pitch != last] + [last]
    found = [
      tonal.key(View(pieces.line([p + up for p in chord], [1] * 4)))
      for up in range(3)
    ]
    tonics = [(key.tonic - last - up) % 12 for up, key in enumerate(found)]
    assert len(set(tonics)) == 1


def test_no_key_without_pitches_or_with_all_alike() -> None:
  drums = View(pieces.chart((0, 4, 36), drums=True))
  chromatic = View(pieces.line(list(range(60, 72)), [1] * 12))
  for view in (drums, chromatic):
    assert tonal.key(view) is None
    assert math.isnan(tonal.key_strength(view))
    assert math.isnan(tonal.in_key_rate(view))
  assert math.isnan(tonal.scale_consistency(drums))
  assert math.isnan(tonal.pitch_in_scale_rate(drums, 0, "major"))
  assert np.isnan(tonal.pitch_class_histogram(drums)).all()
  assert np.isnan(tonal.pitch_class_transitions(drums)).all()
  assert tonal.scale_consistency(chromatic) == pytest.approx(7 / 12)
