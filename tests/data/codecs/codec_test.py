"""What holds for every codec."""

import subprocess
import sys

import numpy as np
import pytest

from musegen_jax.data.codecs import codec as codec_lib
from musegen_jax.errors import UserError

CODECS = [codec_lib.load(name) for name in codec_lib.names()]
every_codec = pytest.mark.parametrize("codec", CODECS, ids=lambda c: c.name)


def test_names_are_the_files() -> None:
  assert codec_lib.names() == [
    "drums",
    "frames",
    "melody",
    "performance",
    "voices",
  ]


def test_unknown_name_lists_the_choices() -> None:
  with pytest.raises(
    UserError, match="drums, frames, melody, performance, voices"
  ):
    codec_lib.load("codec")


@every_codec
def test_every_token_has_one_effect(codec: codec_lib.Codec) -> None:
  grammar = codec.grammar
  assert codec.vocab_size <= np.iinfo(np.int16).max
  opens, closes = grammar.opens >= 0, grammar.closes != -1
  assert not (opens & closes).any()
  specials = [codec.begin, codec.end, codec.pad]
  assert not opens[specials].any() and not grammar.steps[specials].any()
  assert (~codec.predictable).nonzero()[0].tolist() == [codec.begin, codec.pad]


@every_codec
def test_transposing_keeps_other_tokens(codec: codec_lib.Codec) -> None:
  others = np.arange(codec.vocab_size)[~codec.is_pitch].astype(np.int16)
  assert codec.shift_bounds(others) == (0, 0)
  np.testing.assert_array_equal(codec.transpose(others, 3), others)
  for pitch in codec.is_pitch.nonzero()[0][40::50]:
    tokens = np.append(others, np.int16(pitch))
    moved = codec.transpose(tokens, 3)
    np.testing.assert_array_equal(moved[:-1], others)
    assert moved[-1] == pitch + 3


@every_codec
def test_decoding_a_token_makes_its_notes(codec: codec_lib.Codec) -> None:
  counts = codec.grammar.note_counts
  assert (counts > 0).tolist() == (codec.grammar.opens >= 0).tolist()
  # A step that begins no note, so that each note lasts one.
  passes = (codec.grammar.steps == 1) & (counts == 0)
  wait = (passes & (codec.grammar.closes == -1)).argmax()
  opens, holds = codec.grammar.opens.tolist(), codec.grammar.holds
  for token in range(codec.vocab_size):
    said = [token, wait]
    if holds is not None and holds[token] >= 0:
      said = [opens.index(holds[token]), wait, *said]
    piece = codec.decode(np.array(said, np.int16))
    assert len(piece.notes) == counts[said].sum()


def test_a_grid_is_for_codecs_that_know_others() -> None:
  assert codec_lib.of("melody", 0) is codec_lib.load("melody")
  assert codec_lib.of("frames", 0) is codec_lib.load("frames")
  assert codec_lib.of("frames", 2) is codec_lib.load("frames")
  with pytest.raises(UserError, match="'melody' has a fixed time step"):
    codec_lib.of("melody", 4)
  with pytest.raises(UserError, match="no codec named"):
    codec_lib.of("gone", 4)


def test_command_prints_the_tables() -> None:
  done = subprocess.run(
    [sys.executable, "-m", "musegen_jax.data.codecs"],
    capture_output=True,
    text=True,
    check=True,
  )
  for codec in CODECS:
    assert codec.table() in done.stdout
