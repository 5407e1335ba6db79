"""Batches are a pure function of the step and lose nothing."""

import threading
import time

import numpy as np
import pytest

from musegen_jax.data import batches, corpus
from musegen_jax.data.codecs import performance, voices

CODEC = performance.CODEC


def make_corpus(lengths: list[int], first_pitch: int = 60) -> corpus.Corpus:
  """Piece p repeats a note-on of its own pitch."""
  pieces = [
    CODEC.framed(np.full(length, first_pitch + p, np.int16))
    for p, length in enumerate(lengths)
  ]
  return corpus.from_pieces(pieces, [{}] * len(pieces), {})


def make(
  variants: list[corpus.Corpus], **settings: object
) -> batches.Callable[[int], batches.Batch]:
  defaults = {
    "batch_size": 4,
    "window": 8,
    "carry_state": True,
    "transpose_semitones": 0,
    "seed": 0,
  }
  return batches.make_batch_at(variants, CODEC, **(defaults | settings))


@pytest.mark.parametrize("carry_state", [True, False])
def test_same_step_same_batch(carry_state: bool) -> None:
  data = make_corpus([30, 50, 20, 40])
  for step in (0, 3, 17):
    a = make([data], carry_state=carry_state, transpose_semitones=3)(step)
    b = make([data], carry_state=carry_state, transpose_semitones=3)(step)
    for name in a:
      np.testing.assert_array_equal(a[name], b[name])
  other = make([data], carry_state=carry_state, seed=1)(0)
  assert (other["inputs"] != a["inputs"]).any()


@pytest.mark.parametrize("carry_state", [True, False])
def test_an_epoch_shows_every_token_once(carry_state: bool) -> None:
  data = make_corpus([30] * 6)  # 192 tokens = 6 steps of 4 x 8
  batch_at = make([data], carry_state=carry_state)
  steps = batches.steps_per_epoch(data, 4, 8)
  for epoch in range(2):
    seen = [batch_at(epoch * steps + s)["inputs"] for s in range(steps)]
    counts = np.bincount(np.concatenate(seen, None), minlength=391)
    np.testing.assert_array_equal(
      counts, np.bincount(data.tokens, minlength=391)
    )


def test_rows_go_on_where_they_stopped() -> None:
  batch_at = make([make_corpus([31, 57, 23, 44, 80])])
  first, second = batch_at(1), batch_at(2)
  np.testing.assert_array_equal(first["targets"][:, -1], second["inputs"][:, 0])


@pytest.mark.parametrize("carry_state", [True, False])
def test_mask_and_reset(carry_state: bool) -> None:
  data = make_corpus([5, 7, 6, 9, 3] * 5)
  batch_at = make([data], carry_state=carry_state)
  for step in range(12):
    batch = batch_at(step)
    begins = batch["inputs"] == CODEC.begin
    assert batch["reset"][begins].all()
    np.testing.assert_array_equal(
      batch["mask"], batch["targets"] != CODEC.begin
    )
    others = batch["reset"] & ~begins
    assert not others[:, 1:].any()
    # Rows start afresh at every window, or else at every epoch.
    epoch_steps = batches.steps_per_epoch(data, 4, 8)
    if not carry_state or step % epoch_steps == 0:
      assert batch["reset"][:, 0].all()
    else:
      assert not others.any()


def test_pieces_are_moved_as_a_whole_and_stay_in_range() -> None:
  data = make_corpus([40, 40], first_pitch=125)  # room: 2 and 1 semitones
  batch_at = make([data], transpose_semitones=5, batch_size=1, window=84)
  shifts = set()
  for step in range(60):
    batch = batch_at(step)
    pitches = batch["inputs"][batch["inputs"] < 128]
    assert len(np.unique(pitches)) <= 2
    assert pitches.max() <= 127
    shifts |= set(pitches.tolist())
  assert shifts == set(range(120, 128))


def test_stretched_variants_are_used() -> None:
  plain, slow = make_corpus([40] * 4), make_corpus([50] * 4, first_pitch=90)
  batch_at = make([plain, slow], batch_size=1, window=16)
  seen = np.concatenate([batch_at(s)["inputs"] for s in range(40)], None)
  pitches = seen[seen < 128]
  assert (pitches < 80).any() and (pitches >= 90).any()


def test_less_data_than_a_batch_still_works() -> None:
  corpus = make_corpus([3])
  batch = make([corpus], batch_size=8, window=32)(0)
  assert batch["inputs"].shape == (8, 32)
  # The same few tokens again and again.
  around = len(corpus.tokens)
  np.testing.assert_array_equal(
    batch["inputs"][:, around:], batch["inputs"][:, :-around]
  )


def test_processes_share_the_batch() -> None:
  data = make_corpus([30, 50, 20, 40])
  whole = make([data])(2)
  parts = [make([data], rows=slice(i, i + 2))(2) for i in (0, 2)]
  joined = np.concatenate([part["inputs"] for part in parts])
  np.testing.assert_array_equal(joined, whole["inputs"])


def test_prefetch_keeps_order_and_hands_on_errors() -> None:
  def batch_at(step: int) -> int:
    if step == 5:
      raise ValueError("step five")
    return step

  feed = batches.prefetch(batch_at, range(2, 9))
  assert [next(feed) for _ in range(3)] == [2, 3, 4]
  with pytest.raises(ValueError, match="step five"):
    next(feed)


def test_prefetch_makes_no_more_than_it_may_keep() -> None:
  made = []
  feed = batches.prefetch(made.append, range(10**9), depth=2)
  next(feed)
  # Two wait, one more is made; a thread that ran on would make thousands.
  deadline = time.monotonic() + 10
  while len(made) < 4:
    assert time.monotonic() < deadline
    time.sleep(0.01)
  time.sleep(0.05)
  assert len(made) == 4
  feed.close()


def test_prefetch_thread_ends_with_its_reader() -> None:
  feed = batches.prefetch(lambda step: step, range(10**9))
  next(feed)
  feed.close()
  deadline = time.monotonic() + 10
  while any(t.name == "prefetch" for t in threading.enumerate()):
    assert time.monotonic() < deadline
    time.sleep(0.05)


@pytest.mark.parametrize("carry_state", [True, False])
def test_positions_count_from_the_begin_of_each_piece(
  carry_state: bool,
) -> None:
  codec = voices.CODEC
  # Token k of a piece is pitch k, so that it says its own number.
  first = codec.offsets["pitch"]
  pieces = [
    codec.framed(first + np.arange(length)) for length in (16, 40, 24, 32)
  ]
  data = corpus.from_pieces(pieces, [{}] * len(pieces), {})
  batch_at = batches.make_batch_at(
    [data, data],
    codec,
    batch_size=2,
    window=10,
    carry_state=carry_state,
    transpose_semitones=0,
    seed=0,
  )
  for step in range(12):
    batch = batch_at(step)
    said, position = batch["targets"] - first, batch["position"]
    is_note = batch["targets"] < codec.begin
    np.testing.assert_array_equal(position[is_note], said[is_note])
    ends = batch["targets"] == codec.end
    assert set(position[ends].tolist()) <= {16, 40, 24, 32}
    assert position.dtype == np.int32


def test_codecs_without_a_cycle_have_no_positions() -> None:
  assert "position" not in make([make_corpus([30, 50])])(0)
