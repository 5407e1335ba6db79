"""Measures of pitch: equal to muspy's, and by hand where it has none."""

import math

import muspy
import numpy as np
import pytest
from hypothesis import given, settings

from musegen_jax.data import notes
from musegen_jax.evaluation.measures import pitch
from musegen_jax.evaluation.measures.view import View
from tests.evaluation.measures import pieces

ORACLES = {
  pitch.pitch_count: muspy.n_pitches_used,
  pitch.pitch_class_count: muspy.n_pitch_classes_used,
  pitch.pitch_entropy: muspy.pitch_entropy,
  pitch.pitch_class_entropy: muspy.pitch_class_entropy,
  pitch.pitch_range: muspy.pitch_range,
}


def assert_as_muspy(piece: notes.Piece) -> None:
  view, music = View(piece), pieces.to_muspy(piece)
  for measure, oracle in ORACLES.items():
    assert measure(view) == pytest.approx(oracle(music)), measure.__name__


@settings(deadline=None, max_examples=60)
@given(pieces.random_pieces())
def test_random_notes_measure_as_in_muspy(piece: notes.Piece) -> None:
  assert_as_muspy(piece)


@pytest.mark.parametrize("path", ["bwv66.6", "ciconia/quod_jactatur"])
def test_scores_measure_as_in_muspy(path: str) -> None:
  assert_as_muspy(pieces.corpus_piece(path))


def test_line_by_hand() -> None:
  #                  +2  -7  same same +12 -1
  view = View(pieces.line([60, 62, 55, 55, 55, 67, 66], [1] * 7))
  assert pitch.mean_pitch(view) == pytest.approx(420 / 7)
  assert pitch.mean_interval(view) == pytest.approx((2 + 7 + 12 + 1) / 6)
  assert pitch.share_of_leaps(view) == pytest.approx(2 / 6)
  assert pitch.repeated_note_rate(view) == pytest.approx(2 / 6)
  assert pitch.longest_repetition(view) == 3


def test_a_major_third_is_no_leap() -> None:
  view = View(pieces.line([60, 64, 69], [1] * 3))
  assert pitch.share_of_leaps(view) == 1 / 2


def test_longest_repetition_at_either_end() -> None:
  for line in ([60, 60, 62], [62, 60, 60], [60, 60]):
    view = View(pieces.line(line, [1] * len(line)))
    assert pitch.longest_repetition(view) == 2


def test_entropies_in_closed_form() -> None:
  piece = pieces.line([60, 72, 64, 76, 67, 79, 71, 83], [1] * 8)
  piece.notes["velocity"] = [80, 80, 80, 80, 60, 60, 40, 100]
  view = View(piece)
  assert pitch.pitch_entropy(view) == 3
  assert pitch.pitch_class_entropy(view) == 2
  assert pitch.velocity_entropy(view) == 1.75
  repeated = pitch.pitch_entropy(View(pieces.line([60, 60], [1, 1])))
  assert repeated == 0 and math.copysign(1, repeated) == 1


def test_drums_have_loudness_but_no_pitch() -> None:
  drums = pieces.chart((0, 1, 36), (4, 1, 38), (8, 1, 36), drums=True)
  drums.notes["velocity"] = [90, 30, 90]
  view = View(drums)
  assert pitch.pitch_count(view) == pitch.pitch_class_count(view) == 0
  assert pitch.velocity_entropy(view) == pytest.approx(0.9183, abs=1e-4)
  # muspy says -127 (its defect 4).
  undefined = [pitch.pitch_range, pitch.mean_pitch, pitch.mean_interval]
  undefined += [pitch.pitch_entropy, pitch.longest_repetition]
  assert all(math.isnan(measure(view)) for measure in undefined)
  tune = pieces.chart((0, 4, 60), (4, 4, 64))
  both = View(pieces.together(tune, drums))
  alone = View(tune)
  for measure in [*ORACLES, *undefined, pitch.repeated_note_rate]:
    assert measure(both) == measure(alone)


def test_one_note_has_no_intervals() -> None:
  view = View(pieces.line([60], [1]))
  for measure in (
    pitch.mean_interval,
    pitch.share_of_leaps,
    pitch.repeated_note_rate,
  ):
    assert np.isnan(measure(view))
  assert pitch.pitch_range(view) == 0 and pitch.longest_repetition(view) == 1
