"""The table of coherence, and how tonality and turns are measured."""

import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from musegen_jax.data import notes
from musegen_jax.evaluation.measures import structure
from musegen_jax.evaluation.measures.view import View
from tests.data.pieces import STEP, make_piece, part
from tests.evaluation.measures.fitness_test import (
  noise,
  piece_of,
  shuffled,
  songs,
)

ODD = {
  "silent": notes.Piece(480, np.zeros(0, notes.NOTE)),
  "a note": make_piece(part([(0, 4, 60)])),
  "a chord": make_piece(part([(0, 4, 60 + 3 * at) for at in range(20)])),
  "one note": make_piece(part([(at, at + 1, 60) for at in range(900)])),
  "far": notes.Piece(
    32767, notes.make_notes(np.array([0, 5, 2**31 - 9]), 8, np.arange(3))
  ),
  "no bar": make_piece(
    part([(at, at + 1, 60 + at % 5) for at in range(50)]),
    meters=[(0, 0, 0), (7, 255, 1), (9, 1, 64)],
  ),
}
ODD["drums"] = dataclasses.replace(ODD["no bar"])
ODD["drums"].notes = ODD["drums"].notes.copy()
ODD["drums"].notes["is_drum"] = True


def column(name: str, pieces: list[notes.Piece]) -> np.ndarray:
  names = [measure.name for measure in structure.MEASURES]
  return structure.per_piece(pieces)[:, names.index(name)]


def test_the_table_is_what_each_measure_says() -> None:
  pieces = [*ODD.values(), *(piece_of(song) for song in songs()[:3])]
  with np.errstate(all="raise"):
    found = structure.per_piece(pieces)
  assert found.shape == (len(pieces), len(structure.MEASURES))
  for number, measure in enumerate(structure.MEASURES):
    assert measure.name == measure.function.__name__
    alone = [measure.function(View(piece)) for piece in pieces]
    np.testing.assert_array_equal(found[:, number], alone)
    known = found[:, number][~np.isnan(found[:, number])]
    high = np.inf if measure.high is None else measure.high
    assert known.min() >= measure.low and known.max() <= high + 1e-9
  assert structure.per_piece([]).shape == (0, len(structure.MEASURES))


def test_what_cannot_be_said_is_nan() -> None:
  found = structure.per_piece(list(ODD.values()))
  rows = dict(zip(ODD, found, strict=True))
  assert np.isnan(rows["silent"]).all() and np.isnan(rows["a chord"][:7]).all()
  undefined = ("short_structure", "medium_structure", "long_structure")
  for name in (*undefined, "tonal_drift"):
    assert np.isnan(column(name, [ODD["one note"]])).all()
  for measure, value in zip(structure.MEASURES, rows["drums"], strict=True):
    assert measure.of_drums or np.isnan(value)


@settings(max_examples=60, deadline=None)
@given(
  st.lists(
    st.tuples(
      st.integers(0, 4000),
      st.integers(1, 2000),
      st.integers(0, 127),
      st.booleans(),
    ),
    max_size=30,
  ),
  st.lists(
    st.tuples(st.integers(0, 5000), st.integers(0, 9), st.integers(0, 9)),
    max_size=3,
  ),
)
def test_any_notes_are_measured(rows: list, meters: list) -> None:
  start, duration, pitch, drum = np.array(rows, int).reshape(-1, 4).T
  table = notes.make_notes(start, duration, pitch, is_drum=drum.astype(bool))
  piece = notes.Piece(24, table, meters=np.array(sorted(meters), notes.METER))
  with np.errstate(all="raise"):
    found = structure.per_piece([piece])[0]
  assert not np.isinf(found).any()
  higher = dataclasses.replace(piece, ticks_per_beat=48, notes=table.copy())
  for name in ("start_tick", "duration_ticks"):
    higher.notes[name] *= 2
  higher.meters["tick"] *= 2
  np.testing.assert_allclose(structure.per_piece([higher])[0], found, atol=1e-9)


def test_songs_come_again_more_than_their_bars_shuffled() -> None:
  rng = np.random.default_rng(3)
  real = [piece_of(song) for song in songs()]
  mixed = [piece_of(shuffled(song, rng)) for song in songs()]
  random = [piece_of(noise(song, rng)) for song in songs()]
  period = [column("bar_period", part) for part in (real, mixed)]
  assert (period[0] > period[1]).mean() > 0.8
  repeated = [column("repetition_rate", part) for part in (real, mixed, random)]
  np.testing.assert_allclose(repeated[0], repeated[1])
  assert (repeated[0] >= 8 / 15).all() and repeated[2].max() < 0.2
  packed = [column("compressibility", part) for part in (real, random)]
  assert (packed[0] < packed[1]).all()
  assert packed[1].mean() == pytest.approx(1, abs=0.03)


def scale(first: int, pitches: list[int]) -> list:
  """A note a beat."""
  return [
    (first + 4 * at, first + 4 * at + 4, pitch)
    for at, pitch in enumerate(pitches)
  ]


def test_tonal_shift_by_hand() -> None:
  first = [60, 62, 64, 65]
  piece = make_piece(part(scale(0, first) + scale(16, [72, 74, 61, 66])))
  assert structure.tonal_shift(View(piece)) == pytest.approx(1 / 2)
  # By duration, and by the half in which notes begin.
  piece = make_piece(part([(0, 12, 60), (0, 4, 61), (12, 16, 60)]))
  assert structure.tonal_shift(View(piece)) == pytest.approx(1 / 4)
  assert np.isnan(structure.tonal_shift(View(make_piece(part([(0, 4, 60)])))))


def test_the_tonal_space_has_its_circles() -> None:
  space = structure._tonal_space()
  turned = np.roll(space, -7, 0)
  fifth = np.linalg.norm((space - turned)[:, :2], axis=1)
  np.testing.assert_allclose(fifth, 2 * np.sin(np.pi / 12))
  np.testing.assert_allclose(np.roll(space, -3, 0)[:, 2:4].sum(0), 0, atol=1e-9)
  assert len(np.unique(space[:, 2:4].round(6), axis=0)) == 4
  assert len(np.unique(space[:, 4:].round(6), axis=0)) == 3
  radii = [np.linalg.norm(space[0, at : at + 2]) for at in (0, 2, 4)]
  np.testing.assert_allclose(radii, [1, 1, 0.5])


def test_drift_is_one_for_notes_in_any_order() -> None:
  rng = np.random.default_rng(0)
  key = np.array([60, 62, 64, 65, 67, 69, 71])
  drifts = []
  for _ in range(150):
    piece = make_piece(part(scale(0, rng.choice(key, 96).tolist())))
    drifts.append(structure.tonal_drift(View(piece)))
  assert np.mean(drifts) == pytest.approx(1, abs=0.1)


def test_a_change_of_key_is_drift() -> None:
  song = piece_of(songs()[2])
  still = structure.tonal_drift(View(song))
  late = song.notes["start_tick"] >= 8 * 16 * STEP
  moved = dataclasses.replace(song, notes=song.notes.copy())
  moved.notes["pitch"][late] += 6
  assert structure.tonal_drift(View(moved)) > 3 * still
  assert structure.tonal_shift(View(moved)) > structure.tonal_shift(View(song))
  # All of it higher is the same.
  moved.notes["pitch"] = song.notes["pitch"] + 5
  assert structure.tonal_drift(View(moved)) == pytest.approx(still)


def test_drums_have_no_key() -> None:
  song = piece_of(songs()[2])
  beat = song.notes[::2].copy()
  beat["is_drum"], beat["pitch"], beat["track"] = True, 37, 1
  both = notes.Piece(480, notes.sort(np.concatenate([song.notes, beat])))
  for measure in (structure.tonal_drift, structure.tonal_shift):
    assert measure(View(both)) == pytest.approx(measure(View(song)))


def test_turns_come_again_on_other_pitches() -> None:
  turn = np.array([0, 4, 2, 7, 5, 9, 12, 3])
  rows = scale(0, (40 + turn + np.arange(10)[:, None]).ravel().tolist())
  packed = structure.compressibility(View(make_piece(part(rows))))
  assert packed < 0.6
