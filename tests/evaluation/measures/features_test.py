"""Features: what changes them, what does not, and what a classifier sees."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from musegen_jax.data import notes
from musegen_jax.evaluation import two_sample
from musegen_jax.evaluation.measures import features, table
from tests.evaluation.measures import pieces

LEVEL = features.NAMES.index("mean_pitch")
FIRST_SHARE = len(table.MEASURES)


def tunes(count: int, seed: int) -> list[notes.Piece]:
  """Diatonic walks of 16 bars in keys and rhythms of their own."""
  rng = np.random.default_rng(seed)
  scale = np.array([0, 2, 4, 5, 7, 9, 11])
  rhythms = ([1, 1, 1, 1], [1.5, 0.5, 1, 1], [0.5, 0.5, 1, 2], [2, 1, 1])
  found = []
  for _ in range(count):
    chosen = rng.choice(4, 2)
    lengths = [x for _ in range(16) for x in rhythms[rng.choice(chosen)]]
    moves = rng.choice([-2, -1, -1, 0, 1, 1, 2], len(lengths))
    degree = np.abs((np.cumsum(moves) + 14) % 28 - 14)
    pitch = 55 + rng.integers(12) + scale[degree % 7] + 12 * (degree // 7)
    found.append(pieces.line(pitch.tolist(), lengths, (4, 4)))
  return found


def changed(
  piece: notes.Piece, column: str, values: np.ndarray | int
) -> notes.Piece:
  table_ = piece.notes.copy()
  table_[column] = values
  return notes.Piece(
    piece.ticks_per_beat, notes.sort(table_), piece.tempos, piece.meters
  )


def shuffled(piece: notes.Piece, seed: int) -> notes.Piece:
  rng = np.random.default_rng(seed)
  return changed(piece, "pitch", rng.permutation(piece.notes["pitch"]))


@settings(deadline=None, max_examples=60)
@given(pieces.random_pieces(), st.integers(-12, 12))
def test_transposition_moves_the_mean_pitch_alone(
  piece: notes.Piece, shift: int
) -> None:
  drums = piece.notes["is_drum"]
  pitch = piece.notes["pitch"] + np.where(drums, 0, shift)
  first, second = features.features([piece, changed(piece, "pitch", pitch)])
  assert np.isclose(second[LEVEL] - first[LEVEL], shift)
  first[LEVEL] = second[LEVEL] = 0
  np.testing.assert_allclose(first, second, atol=1e-12)


@settings(deadline=None, max_examples=60)
@given(pieces.random_pieces())
def test_units_of_time_change_nothing(piece: notes.Piece) -> None:
  finer = piece.notes.copy()
  finer["start_tick"] *= 30
  finer["duration_ticks"] *= 30
  other = notes.Piece(30 * piece.ticks_per_beat, finer)
  first, second = features.features([piece, other])
  np.testing.assert_allclose(first, second, atol=1e-12)


def test_names_and_histograms_by_hand() -> None:
  # In D major: the tonic on both downbeats, the fifth between.
  piece = pieces.line([62, 66, 69, 69, 62], [1, 1, 0.5, 1.5, 4], (4, 4))
  [row] = features.features([piece])
  assert row.shape == (len(features.NAMES),)
  assert len(set(features.NAMES)) == len(features.NAMES)
  named = dict(zip(features.NAMES, row.tolist(), strict=True))
  shares = {
    name: value
    for name, value in list(named.items())[FIRST_SHARE:]
    if value > 0
  }
  assert shares == {
    "degree: 0": 5 / 8,
    "degree: 4": 1 / 8,
    "degree: 7": 2 / 8,
    "interval: -7": 1 / 4,
    "interval: 0": 1 / 4,
    "interval: 3": 1 / 4,
    "interval: 4": 1 / 4,
    "note length: 0.5": 1 / 5,
    "note length: 1": 2 / 5,
    "note length: 1.5": 1 / 5,
    "note length: 4": 1 / 5,
    "inter-onset: 0.5": 1 / 4,
    "inter-onset: 1": 2 / 4,
    "inter-onset: 1.5": 1 / 4,
    "position: 0": 2 / 5,
    "position: 4": 1 / 5,
    "position: 8": 1 / 5,
    "position: 10": 1 / 5,
    "moves: leap up, leap up": 1 / 3,
    "moves: leap up, same": 1 / 3,
    "moves: same, leap down": 1 / 3,
    "changes: equal, shorter": 1 / 2,
    "changes: shorter, longer": 1 / 2,
    "downbeat degree: 0": 1,
  }


def test_a_major_second_is_a_step_and_a_minor_third_a_leap() -> None:
  [row] = features.features([pieces.line([60, 58, 55, 57, 60], [1] * 5)])
  for pair in (
    "step down, leap down",
    "leap down, step up",
    "step up, leap up",
  ):
    assert row[features.NAMES.index(f"moves: {pair}")] == 1 / 3


def test_wide_intervals_are_cut_off() -> None:
  [row] = features.features([pieces.line([40, 90, 40], [1, 1, 1])])
  assert row[features.NAMES.index("interval: 12")] == 1 / 2
  assert row[features.NAMES.index("interval: -12")] == 1 / 2


def test_histograms_sum_to_one_or_are_undefined() -> None:
  groups = np.array([name.split(":")[0] for name in features.NAMES])
  empty = notes.Piece(480, np.zeros(0, notes.NOTE))
  drums = pieces.chart(*[(i, 1, 36) for i in range(9)], drums=True)
  found = features.features([tunes(1, 0)[0], drums, empty])
  for group in dict.fromkeys(groups[FIRST_SHARE:]):
    sums = found[:, groups == group].sum(1)
    assert np.isclose(sums[0], 1) and np.isnan(sums[2])
    timed = group in ("inter-onset", "position", "changes")
    assert np.isclose(sums[1], 1) if timed else np.isnan(sums[1])
  assert features.features([]).shape == (0, len(features.NAMES))


def test_a_classifier_sees_order_and_not_the_draw() -> None:
  real = features.features(tunes(160, 0))
  others = tunes(160, 1)
  assert 0.4 < two_sample.auc(real, features.features(others), 0) < 0.6
  mixed = features.features([shuffled(p, i) for i, p in enumerate(others)])
  assert two_sample.auc(real, mixed, 0) > 0.9
  flat = [changed(p, "pitch", int(p.notes["pitch"][0])) for p in others]
  assert two_sample.auc(real, features.features(flat), 0) > 0.99


def test_histograms_of_order_move_when_order_is_shuffled() -> None:
  sets = [tunes(80, 0), tunes(80, 1)]
  sets.append([shuffled(piece, i) for i, piece in enumerate(sets[0])])
  groups = np.array([name.split(":")[0] for name in features.NAMES])
  means = np.array([features.features(part).mean(0) for part in sets])
  by_chance, by_order = np.abs(means[1:] - means[:1])
  for group in ("interval", "moves"):
    chosen = groups == group
    assert by_order[chosen].sum() > 5 * by_chance[chosen].sum()
  for group in ("note length", "inter-onset", "position"):
    np.testing.assert_array_equal(
      means[2, groups == group], means[0, groups == group]
    )
