"""Where bars lie under changing meters, and where the tempo holds."""

import numpy as np
import pytest

from musegen_jax.data import bars, notes
from musegen_jax.data.codecs import melody
from tests.data.pieces import STEP, make_piece, part, scale

GRID = melody.CODEC.grid


def runs(
  steps: int, meters: list[tuple[int, int, int]] = ()
) -> list[tuple[int, int, int, int]]:
  """(start step, steps a bar, bars, first bar) of each run of a piece with a
  note a sixteenth."""
  piece = make_piece(part(scale(0, steps, 1)), meters=meters)
  found = bars.runs(piece, GRID)
  return [(run.start_tick // STEP, *run[1:]) for run in found]


def test_without_meters_a_bar_is_four_beats() -> None:
  assert runs(32) == [(0, 16, 2, 0)]


def test_silence_completes_the_last_bar() -> None:
  assert runs(33) == [(0, 16, 3, 0)]


def test_a_last_note_that_is_rounded_up_has_its_bar() -> None:
  piece = make_piece(part(scale(0, 16, 1)))
  piece.notes["start_tick"][-1] += 70
  piece.notes["duration_ticks"][-1] = 20
  assert bars.runs(piece, GRID) == [(0, 16, 2, 0)]


@pytest.mark.parametrize(
  ("meter", "steps"),
  [
    ((3, 4), 12),
    ((6, 8), 12),
    ((2, 2), 16),
    ((1, 16), 1),
    ((9, 8), 0),
    ((5, 32), 0),
    ((0, 4), 16),
  ],
)
def test_steps_a_bar(meter: tuple[int, int], steps: int) -> None:
  assert runs(1, [(0, *meter)]) == [(0, steps, 1, 0)]


def test_a_meter_begins_a_bar_and_cuts_the_one_before_short() -> None:
  # A pickup of a beat, two bars of 3/4 and a half, then 4/4.
  meters = [(0, 1, 4), (4, 3, 4), (34, 4, 4)]
  assert runs(66, meters) == [(0, 4, 1, 0), (4, 12, 2, 1), (34, 16, 2, 4)]


def test_before_the_first_meter_a_bar_is_four_beats() -> None:
  assert runs(44, [(32, 3, 4)]) == [(0, 16, 2, 0), (32, 12, 1, 2)]


def test_a_meter_that_changes_nothing_goes_on() -> None:
  meters = [(0, 3, 4), (24, 6, 8), (48, 3, 4)]
  assert runs(60, meters) == [(0, 12, 5, 0)]
  # Within a bar it begins a new one.
  assert runs(60, [(0, 3, 4), (30, 3, 4)]) == [(0, 12, 2, 0), (30, 12, 3, 3)]


def test_meters_after_the_last_note_make_no_bars() -> None:
  assert runs(16, [(160, 3, 4)]) == [(0, 16, 1, 0)]


def steady(tempos: list[tuple[int, int]]) -> list[bool]:
  """Of the ticks 0..99, 100..199, 200..299."""
  piece = make_piece(part(scale(0, 1)))
  piece.tempos = np.array(tempos, notes.TEMPO)
  starts = np.array([0, 100, 200])
  return bars.steady(piece, np.stack([starts, starts + 100])).tolist()


def test_tempo_holds() -> None:
  assert steady([]) == [True] * 3
  # A change at the border belongs to what begins there.
  assert steady([(0, 400_000), (100, 600_000)]) == [True] * 3
  assert steady([(0, 400_000), (199, 441_000)]) == [True, False, True]
  assert steady([(0, 400_000), (150, 440_000)]) == [True] * 3
  # There and back within a span.
  assert steady([(0, 4000), (240, 5000), (250, 4000)]) == [True, True, False]
  # Before the first tempo 120 beats a minute are in force.
  assert steady([(50, 600_000)]) == [False, True, True]
