"""Measures of rhythm: equal to muspy's where it does as it says, and by hand
where it does not or has none."""

import math

import muspy
import numpy as np
import pytest
from hypothesis import assume, given, settings

from musegen_jax.data import notes
from musegen_jax.data.codecs import melody
from musegen_jax.evaluation import attributes
from musegen_jax.evaluation.measures import rhythm
from musegen_jax.evaluation.measures.view import View
from tests.evaluation.measures import pieces
from tests.evaluation.tiny_vae import melody_of


def assert_polyphony_as_muspy(piece: notes.Piece) -> None:
  view, music = View(piece), pieces.to_muspy(piece)
  assert rhythm.polyphony(view) == pytest.approx(muspy.polyphony(music))
  # Its defect 1: above the threshold, not at it.
  expected = muspy.polyphony_rate(music, threshold=1)
  assert rhythm.polyphony_rate(view) == pytest.approx(expected)


@settings(deadline=None, max_examples=60)
@given(pieces.random_pieces())
def test_polyphony_is_that_of_muspy(piece: notes.Piece) -> None:
  assert_polyphony_as_muspy(piece)


@settings(deadline=None, max_examples=60)
@given(pieces.random_pieces(off_beat_ends=True))
def test_empty_beats_are_those_of_muspy(piece: notes.Piece) -> None:
  # Its defect 2: an end on a beat fills it.
  expected = muspy.empty_beat_rate(pieces.to_muspy(piece))
  assert rhythm.empty_beat_rate(View(piece)) == pytest.approx(expected)


@settings(deadline=None, max_examples=60)
@given(pieces.random_pieces())
def test_groove_is_that_of_muspy(piece: notes.Piece) -> None:
  last = int(notes.end_ticks(piece.notes).max())
  assume(last % 16)  # its defect 3
  expected = muspy.groove_consistency(pieces.to_muspy(piece), 16)
  found = rhythm.groove_consistency(View(piece))
  assert found == pytest.approx(expected, nan_ok=True)


@pytest.mark.parametrize("path", ["bwv66.6", "ciconia/quod_jactatur"])
def test_scores_measure_as_in_muspy(path: str) -> None:
  piece = pieces.corpus_piece(path)
  assert_polyphony_as_muspy(piece)
  # Both end on a bar line, where muspy adds a bar.
  _, numerator, denominator = piece.meters[0].tolist()
  steps = 16 * numerator // denominator
  bars = notes.end_ticks(piece.notes).max() / steps
  assert bars == int(bars)
  music = pieces.to_muspy(piece)
  starts = piece.notes["start_tick"]
  in_last = len(np.unique(starts[starts >= (bars - 1) * steps]))
  differ = (1 - muspy.groove_consistency(music, steps)) * bars * steps
  expected = 1 - (differ - in_last) / (bars - 1) / steps
  found = rhythm.groove_consistency(View(piece))
  assert found == pytest.approx(expected)


def test_what_muspy_gets_wrong_by_hand() -> None:
  two_held = View(pieces.chart((0, 4, 60), (0, 4, 64)))
  assert rhythm.polyphony_rate(two_held) == 1
  gap = View(pieces.chart((0, 4, 60), (8, 4, 62)))
  assert rhythm.empty_beat_rate(gap) == pytest.approx(1 / 3)
  bars = View(pieces.chart(*[(4 * beat, 4, 60) for beat in range(16)]))
  assert rhythm.groove_consistency(bars) == 1


def test_density_and_lengths_by_hand() -> None:
  piece = pieces.line([60, 62, 64], [1, 2, 1])
  piece.notes["start_tick"] += 960
  chord = pieces.chart((0, 120 * 4, 48))
  chord = notes.Piece(480, chord.notes)
  chord.notes["start_tick"] += 960
  piece = pieces.together(piece, chord)
  piece.tempos = np.array([(0, 250_000)], notes.TEMPO)
  view = View(piece)
  assert rhythm.notes_per_beat(view) == 4 / 4
  assert rhythm.notes_per_second(view) == pytest.approx(4 / 1.0)
  assert rhythm.mean_note_length(view) == (1 + 2 + 1 + 1) / 4
  assert rhythm.mean_inter_onset_interval(view) == (1 + 2) / 2
  assert rhythm.polyphony(view) == (2 * 1 + 1 * 3) / 4
  assert rhythm.polyphony_rate(view) == 1 / 6
  assert rhythm.empty_beat_rate(view) == pytest.approx(2 / 6)


def test_density_reads_the_tempo_map() -> None:
  piece = pieces.line([60, 62], [2, 2])
  piece.tempos = np.array([(0, 500_000), (960, 1_000_000)], notes.TEMPO)
  assert rhythm.notes_per_second(View(piece)) == pytest.approx(2 / 3)


def test_npvi_in_closed_form() -> None:
  even = View(pieces.line([60] * 6, [0.5] * 6))
  assert rhythm.npvi(even) == 0
  uneven = View(pieces.line([60] * 7, [2, 1] * 3 + [1]))
  assert rhythm.npvi(uneven) == pytest.approx(100 * 1 / 1.5)
  # The last note's length is not heard.
  assert math.isnan(rhythm.npvi(View(pieces.line([60] * 2, [1, 3]))))


def test_groove_compares_bars_of_one_length() -> None:
  # Two bars of 2/4 that differ in one place, then two equal ones of 3/4.
  starts = [0, 4, 8, 16, 28]
  piece = pieces.chart(*[(start, 2, 60) for start in starts], (39, 1, 60))
  piece.meters = pieces.meters_of((0, 2, 4), (16, 3, 4))
  found = rhythm.groove_consistency(View(piece))
  first, second = 1 - 1 / 8, 1 - 1 / 12
  assert found == pytest.approx((first + second) / 2)
  assert math.isnan(rhythm.groove_consistency(View(pieces.chart((0, 16, 60)))))


def test_syncopation_is_that_of_tokens() -> None:
  rng = np.random.default_rng(0)
  for bar_steps, meter in ((16, (4, 4)), (12, (3, 4)), (8, (2, 4))):
    tokens = np.full((20, 4, 16), melody.CODEC.pad)
    said = rng.integers(30, 50, (20, 4, bar_steps))
    hold = rng.random(said.shape) < 0.7
    hold[:, -1, -1] = False  # so that the last bar is heard
    tokens[:, :, :bar_steps] = np.where(hold, 0, said)
    tokens = tokens.reshape(20, 64)
    expected = attributes.compute(tokens, melody.CODEC)[:, 3]
    for row, value in zip(tokens, expected, strict=True):
      piece = melody.CODEC.decode(row)
      piece.meters = pieces.meters_of(meter)
      assert rhythm.syncopation(View(piece)) == pytest.approx(value)


def test_syncopation_by_hand() -> None:
  # As in attributes_test: 1, 2 and 2 levels over five notes; the second bar
  # begins with a rest.
  tokens = np.concatenate(
    [
      melody_of("60 - 62 - - - 64 - - x - - 65 - - -"),
      melody_of("- - - - - - - - 67 - - - - - - -"),
    ]
  )
  view = View(melody.CODEC.decode(tokens))
  assert rhythm.syncopation(view) == pytest.approx(5 / 5)


def test_a_jig_is_felt_in_dotted_quarters() -> None:
  jig = [1, 0.5] * 4
  as_waltz = View(pieces.line([60] * 8, jig, (3, 4)))
  assert rhythm.syncopation(View(pieces.line([60] * 8, jig, (6, 8)))) == 0
  # On the fourth eighth (-2) over the third quarter (-1), in each bar.
  assert rhythm.syncopation(as_waltz) == pytest.approx(2 / 8)
  # On the third eighth of 12/8 (-3) over the second beat (-2); on the sixth,
  # over the half (-1): 2.
  late = [1, 1.5, 3.5]
  slow = View(pieces.line([60] * 3, late, (12, 8)))
  assert rhythm.syncopation(slow) == pytest.approx((0 + 1 + 2) / 3)


def test_onsets_across_a_change_of_meter() -> None:
  # On the last quarter (-1) over the next bar's first (0): 1.
  piece = pieces.chart((0, 4, 60), (4, 8, 62), (12, 8, 60))
  piece.meters = pieces.meters_of((0, 2, 4), (8, 3, 4))
  assert rhythm.syncopation(View(piece)) == pytest.approx(1 / 3)


def test_histograms_by_hand() -> None:
  piece = pieces.line([60, 62, 64, 65], [1, 0.5, 1 / 3, 1.1])
  piece.notes["duration_ticks"][1] = 480 * 9
  view = View(piece)
  lengths = dict(zip(rhythm.LENGTHS, range(12), strict=True))
  expected = np.zeros(12)
  expected[[lengths[1], lengths[4], lengths[1 / 3]]] = 2 / 4, 1 / 4, 1 / 4
  np.testing.assert_allclose(rhythm.note_length_histogram(view), expected)
  expected = np.zeros(12)
  expected[[lengths[1], lengths[1 / 2], lengths[1 / 3]]] = 1 / 3
  np.testing.assert_allclose(rhythm.inter_onset_histogram(view), expected)
  expected = np.zeros(24)
  expected[[0, 4, 6, 7]] = 1 / 4
  np.testing.assert_allclose(rhythm.onset_position_histogram(view), expected)


def test_places_late_in_long_bars_are_left_out() -> None:
  view = View(pieces.line([60, 62, 64], [1, 5.75, 1.25], (4, 2)))
  expected = np.zeros(24)
  expected[[0, 4]] = 1 / 2
  np.testing.assert_allclose(rhythm.onset_position_histogram(view), expected)
  view = View(pieces.line([60, 62, 64], [1, 4.75, 2.25], (4, 2)))
  assert rhythm.onset_position_histogram(view)[23] == pytest.approx(1 / 3)


def test_drums_have_rhythm_but_no_lengths() -> None:
  beat = [(start, 1, 36 + start % 3) for start in range(0, 32, 2)]
  drums, tune = View(pieces.chart(*beat, drums=True)), View(pieces.chart(*beat))
  for measure in (
    rhythm.notes_per_second,
    rhythm.notes_per_beat,
    rhythm.mean_inter_onset_interval,
    rhythm.npvi,
    rhythm.empty_beat_rate,
    rhythm.groove_consistency,
    rhythm.syncopation,
  ):
    assert measure(drums) == measure(tune)
  for measure in (
    rhythm.mean_note_length,
    rhythm.polyphony,
    rhythm.polyphony_rate,
  ):
    assert math.isnan(measure(drums)) and not math.isnan(measure(tune))
  assert np.isnan(rhythm.note_length_histogram(drums)).all()
