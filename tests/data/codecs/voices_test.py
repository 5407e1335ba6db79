"""The voices codec: turns, phases, round trips, and what it cannot say."""

import numpy as np
import pytest

from musegen_jax.data import notes
from musegen_jax.data.codecs import codec as codec_lib
from musegen_jax.data.codecs import voices
from tests.data.pieces import make_piece, part

CODEC = voices.CODEC
HOLD, REST = CODEC.offsets["hold"], CODEC.offsets["rest"]
ABOVE = (72, 65, 58, 48)  # a chord, from the soprano down


def pitch(value: int) -> int:
  return CODEC.offsets["pitch"] + value - voices.LOW_PITCH


def chorale(
  rng: np.random.Generator, steps: int, start: int = 0
) -> notes.Piece:
  """Four lines of random lengths, pitches and rests from `start` on."""
  lines = []
  for track, middle in enumerate(ABOVE):
    at, rows = start, []
    while at < start + steps:
      end = min(at + int(rng.integers(1, 9)), start + steps)
      if rng.random() < 0.8 or not rows:
        rows.append((at, end, middle + int(rng.integers(-3, 4))))
      at = end
    lines.append(part(rows, track))
  return make_piece(*lines)


@pytest.mark.parametrize("seed", range(5))
def test_round_trip(seed: int) -> None:
  rng = np.random.default_rng(seed)
  piece = chorale(rng, int(rng.integers(5, 90)))
  tokens = CODEC.encode(piece, 1.0)
  again = CODEC.decode(tokens)
  assert tokens.dtype == np.int16
  for field in ("start_tick", "duration_ticks", "pitch", "track"):
    np.testing.assert_array_equal(again.notes[field], piece.notes[field])
  np.testing.assert_array_equal(CODEC.encode(again, 1.0), tokens)
  assert CODEC.note_count(tokens) == len(piece.notes)
  assert again.ticks_per_beat == 480 and not len(again.tempos)
  assert set(again.notes["program"]) == {voices.CHOIR}


def test_voices_take_turns() -> None:
  piece = make_piece(
    part([(0, 2, 48), (2, 3, 50)], track=0),
    part([(0, 1, 72), (1, 3, 72)], track=1),
    part([(1, 3, 65)], track=2),
    part([(0, 3, 58)], track=3),
  )
  expected = [
    [pitch(72), REST, pitch(58), pitch(48)],
    [pitch(72), pitch(65), HOLD, HOLD],
    [HOLD, HOLD, HOLD, pitch(50)],
  ]
  tokens = CODEC.encode(piece, 1.0).reshape(-1, 4)
  np.testing.assert_array_equal(tokens, expected)
  # Three sixteenths at 120 beats a minute.
  assert CODEC.duration_seconds(tokens.ravel()) == pytest.approx(0.375)


@pytest.mark.parametrize(
  ("start", "meters", "rests"),
  [
    (0, [], 0),
    (12, [], 0),  # a pickup of a quarter with rests in front
    (14, [], 2),  # of an eighth
    (2, [(0, 3, 4)], 2),
    (0, [(0, 1, 8), (2, 4, 4)], 2),  # a bar of its own for a pickup
    (0, [(0, 3, 16), (3, 4, 4)], 1),
    (0, [(0, 1, 4), (4, 3, 4)], 0),
  ],
)
def test_the_first_token_is_on_a_beat(
  start: int, meters: list[tuple[int, int, int]], rests: int
) -> None:
  lines = [part([(start, start + 80, p)], t) for t, p in enumerate(ABOVE)]
  tokens = CODEC.encode(make_piece(*lines, meters=meters), 1.0).reshape(-1, 4)
  assert (tokens[:rests] == REST).all() and len(tokens) == rests + 80
  assert tokens[rests].tolist() == [pitch(p) for p in ABOVE]


def test_what_is_no_chorale() -> None:
  lines = [part([(0, 8, p)], t) for t, p in enumerate(ABOVE)]
  drums = part([(0, 4, 36)], track=4)
  drums["is_drum"] = True
  assert len(CODEC.encode(make_piece(*lines, drums), 1.0)) == 32
  chords = part([(0, 8, 60), (0, 8, 64)], track=3)
  low = part([(0, 8, 27)], track=3)
  endless = part([(0, 8, 50), (70_000, 70_001, 50)], track=3)
  fifth = part([(0, 8, 40)], track=5)
  for pieces, says in (
    (lines[:3], "3 pitched parts, not 4"),
    ([*lines, fifth], "5 pitched parts"),
    ([drums], "0 pitched parts"),
    ([*lines[:3], chords], r"track 3 \(program 0\) is polyphonic"),
    ([*lines[:3], low], r"track 3 .* has pitches 27\.\.27, beyond 28\.\.96"),
    ([*lines[:3], endless], "longer than 65,536 sixteenths"),
  ):
    with pytest.raises(codec_lib.Unencodable, match=says):
      CODEC.encode(make_piece(*pieces), 1.0)
  with pytest.raises(ValueError, match="stretch"):
    CODEC.encode(make_piece(*lines), 1.05)


def test_a_little_overlap_is_cut() -> None:
  lines = [part([(0, 80, p)], t) for t, p in enumerate(ABOVE[:3])]
  bass = [(i * 2, i * 2 + 2 + (i == 3), 48 + i % 2) for i in range(40)]
  tokens = CODEC.encode(make_piece(*lines, part(bass, 3)), 1.0)
  again = CODEC.decode(tokens).notes
  again = again[again["track"] == 3]
  assert again["start_tick"].tolist() == [i * 240 for i in range(40)]
  assert set(again["duration_ticks"].tolist()) == {240}


def test_senseless_tokens_are_rests() -> None:
  rows = [
    [HOLD, pitch(65), REST, HOLD],
    [HOLD, HOLD, HOLD, pitch(48)],
    [pitch(72), REST],
  ]
  tokens = np.array([*sum(rows, []), CODEC.end])
  table = CODEC.decode(tokens).notes
  assert table["pitch"].tolist() == [65, 48, 72]
  assert table["start_tick"].tolist() == [0, 120, 240]
  assert table["duration_ticks"].tolist() == [240, 120, 120]
  assert table["track"].tolist() == [1, 3, 0]


def test_transposing_moves_the_notes_alone() -> None:
  piece = chorale(np.random.default_rng(0), 40)
  tokens = CODEC.encode(piece, 1.0)
  moved = CODEC.decode(CODEC.transpose(tokens, 3)).notes
  np.testing.assert_array_equal(moved["pitch"], piece.notes["pitch"] + 3)
