"""Batches of windows are a pure function of the step and lose nothing."""

import numpy as np
import pytest

from musegen_jax.data import window_batches, windows
from musegen_jax.data.codecs import codec as codec_lib
from musegen_jax.data.codecs import drums, melody, performance

CODEC = melody.CODEC
NO_EVENT, NOTE_OFF, PITCH = 0, 1, CODEC.offsets["pitch"]
LENGTH = 32


def make_windows(
  count: int, low: int = PITCH, high: int = CODEC.begin - 1
) -> windows.Windows:
  """Windows of 3/4 bars: random tokens low..high among silences, note-offs and
  pad."""
  rng = np.random.default_rng(7)
  tokens = rng.integers(low, high + 1, (count, LENGTH)).astype(np.int16)
  tokens[:, 1::5] = NO_EVENT
  tokens[:, 2::5] = NOTE_OFF
  tokens.reshape(count, 2, 16)[:, :, 12:] = CODEC.pad
  numbers = np.arange(count, dtype=np.int32)
  return windows.Windows(tokens, numbers, numbers, numbers, [{}] * count, {})


def make(
  data: windows.Windows, codec: codec_lib.Codec = CODEC, **settings: object
) -> window_batches.Callable[[int], window_batches.Batch]:
  defaults = {"batch_size": 4, "transpose_semitones": 0, "seed": 0}
  return window_batches.make_window_batch_at(
    data, codec, **(defaults | settings)
  )


def test_same_step_same_batch() -> None:
  data = make_windows(24)
  ahead = make(data, transpose_semitones=6)
  for step in (17, 0, 3):
    a, b = ahead(step), make(data, transpose_semitones=6)(step)
    for name in a:
      np.testing.assert_array_equal(a[name], b[name])
  assert (make(data, seed=1)(0)["targets"] != make(data)(0)["targets"]).any()


def test_shapes_mask_and_reset() -> None:
  data = make_windows(24)
  batch = make(data, transpose_semitones=3)(0)
  assert {name: array.dtype.name for name, array in batch.items()} == {
    "inputs": "int32",
    "targets": "int32",
    "mask": "float32",
    "reset": "bool",
  }
  assert all(array.shape == (4, LENGTH) for array in batch.values())
  assert (batch["inputs"][:, 0] == CODEC.begin).all()
  np.testing.assert_array_equal(
    batch["inputs"][:, 1:], batch["targets"][:, :-1]
  )
  np.testing.assert_array_equal(batch["mask"], batch["targets"] != CODEC.pad)
  assert batch["mask"].sum() == 4 * 24
  assert batch["reset"][:, 0].all() and not batch["reset"][:, 1:].any()


def test_an_epoch_shows_every_window_once() -> None:
  data = make_windows(24)
  batch_at, steps = make(data), window_batches.steps_per_epoch(data, 4)
  assert steps == 6
  epochs = []
  for epoch in range(2):
    batches = [batch_at(epoch * steps + step) for step in range(steps)]
    seen = np.concatenate([batch["targets"] for batch in batches])
    assert sorted(seen.tolist()) == sorted(data.tokens.tolist())
    epochs.append(seen)
  assert (epochs[0] != epochs[1]).any()


def test_what_does_not_fill_a_batch_waits_for_another_epoch() -> None:
  data = make_windows(11)
  batch_at = make(data)
  assert window_batches.steps_per_epoch(data, 4) == 2
  seen = set()
  for step in range(40):
    rows = {tuple(row) for row in batch_at(step)["targets"].tolist()}
    assert len(rows) == 4
    seen |= rows
  assert len(seen) == 11


def test_fewer_windows_than_a_batch() -> None:
  data = make_windows(3)
  assert window_batches.steps_per_epoch(data, 8) == 1
  targets = make(data, batch_size=8)(5)["targets"]
  rows, counts = np.unique(targets, axis=0, return_counts=True)
  assert len(rows) == 3 and sorted(counts) == [2, 3, 3]


def test_shifts_use_the_room_there_is_and_touch_pitches_only() -> None:
  # Room for 2 semitones down, none of the others less than 5.
  data = make_windows(1, low=PITCH + 10, high=PITCH + 40)
  data.tokens[0, 3] = PITCH + 2
  batch_at = make(data, batch_size=1, transpose_semitones=5)
  is_pitch = CODEC.is_pitch[data.tokens]
  shifts = set()
  for step in range(100):
    targets = batch_at(step)["targets"]
    moved = targets - data.tokens
    assert not moved[~is_pitch].any()
    assert len(np.unique(moved[is_pitch])) == 1
    assert targets[is_pitch].min() >= PITCH
    shifts.add(int(moved[is_pitch][0]))
  assert shifts == set(range(-2, 6))


def test_each_window_is_moved_within_its_own_room() -> None:
  parts = [
    make_windows(6, low=PITCH, high=PITCH + 3).tokens,
    make_windows(6, low=CODEC.begin - 4, high=CODEC.begin - 1).tokens,
  ]
  numbers = np.arange(12)
  data = windows.Windows(np.concatenate(parts), *[numbers] * 3, [{}] * 12, {})
  batch_at = make(data, transpose_semitones=12)
  seen = np.concatenate([batch_at(step)["targets"] for step in range(30)])
  # No pitch became a silence, a note-off, an end or pad.
  np.testing.assert_array_equal(
    CODEC.is_pitch[seen],
    np.broadcast_to(CODEC.is_pitch[data.tokens[0]], seen.shape),
  )
  assert len(np.unique(seen[:, 0])) > 20


@pytest.mark.parametrize("codec", [CODEC, performance.CODEC])
def test_bounds_are_those_of_the_codec(
  codec: codec_lib.Codec, monkeypatch: pytest.MonkeyPatch
) -> None:
  monkeypatch.setattr(window_batches, "CHUNK", 7)
  rng = np.random.default_rng(0)
  events = rng.integers(0, codec.begin, (20, 5))
  tokens = np.sort(events, axis=1).astype(np.int16)
  low, high = window_batches.shift_bounds(tokens, codec)
  for row, *bounds in zip(tokens, low, high, strict=True):
    if codec.is_pitch[row].any():
      assert tuple(bounds) == codec.shift_bounds(row)


def test_drums_are_never_moved() -> None:
  tokens = np.arange(4 * LENGTH, dtype=np.int16).reshape(4, LENGTH)
  numbers = np.arange(4)
  data = windows.Windows(tokens, numbers, numbers, numbers, [{}] * 4, {})
  batch_at = make(data, drums.CODEC, transpose_semitones=12)
  for step in range(5):
    targets = batch_at(step)["targets"]
    assert sorted(targets.tolist()) == tokens.tolist()


def test_processes_share_the_batch() -> None:
  data = make_windows(24)
  whole = make(data, transpose_semitones=4)(2)
  parts = [
    make(data, transpose_semitones=4, rows=slice(i, i + 2))(2) for i in (0, 2)
  ]
  for name, array in whole.items():
    joined = np.concatenate([part[name] for part in parts])
    np.testing.assert_array_equal(joined, array)
