import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from musegen_jax.data import minhash
from musegen_jax.data import notes as notes_lib


def tune(seed: int, count: int = 120, drums: bool = False) -> notes_lib.Piece:
  """Random notes on a sixteenth grid, 480 ticks a beat."""
  rng = np.random.default_rng(seed)
  gaps = rng.choice([0, 120, 240, 480], count)
  pitches = rng.integers(50, 70, count)
  durations = rng.choice([120, 240], count)
  return notes_lib.Piece(
    480,
    notes_lib.make_notes(
      np.cumsum(gaps), durations, pitches, is_drum=np.full(count, drums)
    ),
  )


def changed(piece: notes_lib.Piece, **columns: np.ndarray) -> notes_lib.Piece:
  notes = piece.notes.copy()
  for name, values in columns.items():
    notes[name] = values
  return dataclasses.replace(piece, notes=notes_lib.sort(notes))


def transposed(piece: notes_lib.Piece) -> notes_lib.Piece:
  pitches = piece.notes["pitch"]
  moved = np.where(piece.notes["is_drum"], pitches, pitches + 7)
  return changed(piece, pitch=moved)


def finer(piece: notes_lib.Piece) -> notes_lib.Piece:
  """The same music at 1024 ticks a beat."""
  ticks = {
    name: np.rint(piece.notes[name] * (1024 / 480))
    for name in ("start_tick", "duration_ticks")
  }
  return dataclasses.replace(changed(piece, **ticks), ticks_per_beat=1024)


def faster(piece: notes_lib.Piece) -> notes_lib.Piece:
  tempos = np.array([(0, 300_000)], notes_lib.TEMPO)
  return dataclasses.replace(piece, tempos=tempos)


def with_drums(piece: notes_lib.Piece) -> notes_lib.Piece:
  both = np.concatenate([piece.notes, tune(99, drums=True).notes])
  return dataclasses.replace(piece, notes=notes_lib.sort(both))


def a_note_wrong(piece: notes_lib.Piece) -> notes_lib.Piece:
  pitches = piece.notes["pitch"].copy()
  pitches[len(pitches) // 2] += 1
  return changed(piece, pitch=pitches)


def clusters(*pieces: notes_lib.Piece) -> list[int]:
  signatures = np.stack([minhash.signature(piece) for piece in pieces])
  return minhash.cluster(signatures).tolist()


@pytest.mark.parametrize("copy", [transposed, finer, faster, a_note_wrong])
@pytest.mark.parametrize("base", [tune(0), with_drums(tune(0))])
def test_copies_cluster(base: notes_lib.Piece, copy: type(transposed)) -> None:
  assert clusters(tune(1), base, copy(base), tune(2)) == [0, 1, 1, 3]


def test_octaves_make_no_difference_but_to_drums() -> None:
  for drums in (False, True):
    base = tune(0, drums=drums)
    base.notes["start_tick"] = 120 * np.arange(len(base.notes))
    pitches = base.notes["pitch"] + 12 * (np.arange(len(base.notes)) % 2)
    found = clusters(base, changed(base, pitch=pitches))
    assert found == [0, int(drums)]


@pytest.mark.parametrize("drums", [False, True])
def test_different_tunes_do_not_cluster(drums: bool) -> None:
  pieces = [tune(seed, drums=drums) for seed in range(40)]
  assert clusters(*pieces) == list(range(40))


@pytest.mark.parametrize("count", [1, 2, 5, 12])
def test_short_pieces_cluster_only_when_equal(count: int) -> None:
  base = tune(0, count)
  longer = changed(base, duration_ticks=base.notes["duration_ticks"] + 240)
  others = [tune(seed, count + 1) for seed in range(1, 6)]
  found = clusters(base, longer, *others, finer(transposed(base)))
  assert found == [0, 1, 2, 3, 4, 5, 6, 0]


def test_transposed_drums_are_other_drums() -> None:
  base = tune(0, 10, drums=True)
  assert clusters(base, changed(base, pitch=base.notes["pitch"] + 1)) == [0, 1]


def test_estimate_is_near_the_exact_similarity() -> None:
  for shared in (20, 100, 180):
    ones = np.arange(1, 201, dtype=np.uint64)
    others = ones + np.uint64(200 - shared)
    left, right = (minhash._minhash(minhash.mix(s)) for s in (ones, others))
    exact = len(set(ones) & set(others)) / len(set(ones) | set(others))
    error = abs(minhash.jaccard(left, right) - exact)
    assert error < 4 * np.sqrt(exact * (1 - exact) / minhash.PERMUTATIONS)


def test_a_large_bucket_becomes_one_cluster() -> None:
  signatures = np.tile(minhash.signature(tune(0)), (1000, 1))
  assert set(minhash.cluster(signatures)) == {0}


@settings(deadline=None)
@given(st.lists(st.tuples(st.integers(0, 19), st.integers(0, 19))))
def test_join_finds_connected_components(edges: list[tuple[int, int]]) -> None:
  expected = list(range(20))
  for left, right in edges:
    low, high = sorted((expected[left], expected[right]))
    expected = [low if name == high else name for name in expected]
  pairs = np.array(edges, np.int64).reshape(-1, 2)
  found = minhash.join(np.arange(20), pairs[:, 0], pairs[:, 1])
  assert found.tolist() == expected


def test_nobody_is_represented_by_different_music() -> None:
  """Of a chain the ends are too far apart to stand for each other."""
  first = minhash.signature(tune(0))
  middle, last = first.copy(), first.copy()
  middle[:48] += 1
  last[:96] += 1
  signatures = np.stack([last, last, middle, first])
  ids = minhash.cluster(signatures)
  assert ids.tolist() == [0, 0, 0, 0]
  chosen = minhash.representatives(signatures, ids, np.array([3, 2, 1, 0]))
  assert chosen.tolist() == [1, 1, 3, 3]
