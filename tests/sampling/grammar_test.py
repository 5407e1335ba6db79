"""Whatever the model prefers, a sampled piece is whole."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from musegen_jax.data.codecs import codec as codec_lib
from musegen_jax.data.codecs import (
  drums,
  frames,
  melody,
  performance,
  voices,
)
from musegen_jax.sampling import decode
from musegen_jax.sampling import grammar as grammar_lib
from musegen_jax.sampling.strategies import Strategy

BATCH = 64
NOTE_STEPS = 30
TICKS_PER_STEP = {
  "drums": drums.TICKS_PER_STEP,
  "frames": frames.TICKS_PER_BEAT // frames.STEPS_PER_BEAT,
  "melody": melody.TICKS_PER_STEP,
  "performance": performance.TICKS_PER_STEP,
  # A step is one voice's share of a sixteenth.
  "voices": voices.TICKS_PER_STEP // len(voices.VOICES),
}
STRATEGY = Strategy()
choose = jax.jit(decode.choose, static_argnames="strategy")


def draw(
  codec: codec_lib.Codec,
  bias: np.ndarray,
  limit_steps: int,
  limit_tokens: int,
  min_steps: int = 0,
) -> np.ndarray:
  """Tokens [B, limit_tokens] of a model that only knows `bias` [V]."""
  tables = grammar_lib.tables(codec)
  limits = decode.Limits(
    steps=jnp.full(BATCH, limit_steps, jnp.int32),
    tokens=jnp.full(BATCH, limit_tokens, jnp.int32),
    min_steps=jnp.full(BATCH, min_steps, jnp.int32),
    note_steps=jnp.int32(NOTE_STEPS),
  )
  step = functools.partial(choose, tables=tables, strategy=STRATEGY)
  state = grammar_lib.start(BATCH)
  free = jnp.full(BATCH, -1, jnp.int32)
  rng = np.random.default_rng(0)
  rows = []
  for position in range(limit_tokens):
    noise = 3 * rng.standard_normal((BATCH, codec.vocab_size))
    logits = (noise + bias[None, :]).astype(np.float32)
    uniforms = rng.random(BATCH, np.float32)
    tokens, state = step(logits, uniforms, state, position, limits, free)
    rows.append(np.asarray(tokens))
  assert np.asarray(state.done).all(), "a piece did not end within its tokens"
  return np.stack(rows, 1)


def biases(codec: codec_lib.Codec) -> dict[str, np.ndarray]:
  """Models with a strong wish for one kind of token."""
  kinds = {field.name: codec.offsets[field.name] for field in codec.fields}
  sizes = {field.name: field.high - field.low + 1 for field in codec.fields}
  wishes = {"none": np.zeros(codec.vocab_size)}
  for name, first in kinds.items():
    wishes[name] = np.zeros(codec.vocab_size)
    wishes[name][first : first + sizes[name]] = 12
  wishes["end"] = np.zeros(codec.vocab_size)
  wishes["end"][codec.end] = 20
  wishes["pad"] = np.zeros(codec.vocab_size)
  wishes["pad"][[codec.pad, codec.begin]] = 50
  return wishes


CASES = [
  (name, wish)
  for name in codec_lib.names()
  for wish in biases(codec_lib.load(name))
]


@pytest.mark.parametrize(("name", "wish"), CASES)
@pytest.mark.parametrize("limit_steps", [3, 500])
def test_pieces_are_whole(name: str, wish: str, limit_steps: int) -> None:
  codec = codec_lib.load(name)
  grammar = codec.grammar
  rows = draw(codec, biases(codec)[wish], limit_steps, 64)
  for row in rows:
    tokens = decode.cut_at_end(row, codec)
    assert codec.predictable[tokens].all()
    piece = codec.decode(tokens)
    assert len(piece.notes) >= 1
    assert len(piece.notes) == codec.note_count(tokens)
    longest = piece.notes["duration_ticks"].max() / TICKS_PER_STEP[name]
    # One step more for a note that was begun as its piece ran out of tokens; a
    # row of the score is completed.
    assert longest <= NOTE_STEPS + grammar.voices
    # Brought to an end by its tokens, a piece may add a step a note.
    steps = grammar.steps[tokens].sum()
    assert steps <= limit_steps + grammar.voices
    if grammar.voices > 1:
      check_voices(tokens, codec)
      continue
    if grammar.holds is not None:
      check_frames(tokens, codec)
      continue
    sounding = set()
    for token in tokens:
      if grammar.opens[token] >= 0:
        sounding = set() if grammar.monophonic else sounding
        assert grammar.opens[token] not in sounding
        sounding.add(grammar.opens[token])
      elif grammar.closes[token] == -2:
        assert sounding
        sounding.clear()
      elif grammar.closes[token] >= 0:
        sounding.remove(grammar.closes[token])
    assert grammar.monophonic or not sounding, "a note hangs"


def check_voices(tokens: np.ndarray, codec: codec_lib.Codec) -> None:
  """Rows are whole; what a voice holds was struck."""
  rows = tokens.reshape(-1, codec.grammar.voices)
  for line in rows.T:
    before = codec.offsets["rest"]
    for token in line:
      if token == codec.offsets["hold"]:
        assert before != codec.offsets["rest"], "nothing sounds to be held"
      else:
        before = token


def check_frames(tokens: np.ndarray, codec: codec_lib.Codec) -> None:
  """Frames are whole and in order; what is held sounded before."""
  grammar, before, frame = codec.grammar, set(), []
  for token in tokens:
    pitch = max(grammar.opens[token], grammar.holds[token])
    if pitch < 0:
      before, frame = set(frame), []
      continue
    assert not frame or pitch > frame[-1]
    assert grammar.opens[token] >= 0 or pitch in before
    frame.append(pitch)
  assert not frame, "the last frame has no step"


@pytest.mark.parametrize("name", codec_lib.names())
def test_a_piece_does_not_end_too_soon(name: str) -> None:
  codec = codec_lib.load(name)
  rows = draw(codec, biases(codec)["end"], 40, 256, min_steps=25)
  for row in rows:
    steps = codec.grammar.steps[decode.cut_at_end(row, codec)].sum()
    assert 25 <= steps <= 40 + codec.grammar.voices


def test_rows_that_are_done_stay_as_they_are() -> None:
  codec = codec_lib.load("melody")
  tables = grammar_lib.tables(codec)
  state = grammar_lib.start(2)
  state = grammar_lib.advance(tables, state, jnp.array([40, 40]))
  state = grammar_lib.advance(tables, state, jnp.array([codec.end, 0]))
  later = grammar_lib.advance(tables, state, jnp.array([50, 50]))
  assert later.onsets.tolist() == [1, 2]
  assert later.steps.tolist() == [1, 3]
  assert later.done.tolist() == [True, False]


def test_a_key_is_held_from_frame_to_frame_and_not_for_ever() -> None:
  codec = codec_lib.load("frames")
  tables = grammar_lib.tables(codec)
  struck, held, step = (codec.offsets[n] for n in ("struck", "held", "step"))

  def may(state: grammar_lib.State, token: int) -> bool:
    one = jnp.ones(1, jnp.int32)
    mask = grammar_lib.allowed(
      tables, state, 99 * one, 99 * one, 0 * one, jnp.int32(3)
    )
    return bool(mask[0, token])

  def after(*tokens: int) -> grammar_lib.State:
    state = grammar_lib.start(1)
    for token in tokens:
      state = grammar_lib.advance(tables, state, jnp.array([token]))
    return state

  begun = [struck + 40, struck + 50, step]
  assert not may(after(), held + 40)
  assert may(after(*begun), held + 40) and may(after(*begun), struck + 40)
  assert not may(after(*begun), held + 45)
  # From low to high, each key once; a frame silences what it does not say.
  assert may(after(*begun, held + 40), held + 50)
  assert not may(after(*begun, held + 50), held + 40)
  assert not may(after(*begun, held + 40), struck + 40)
  assert not may(after(*begun, held + 40, step), held + 50)
  # Three steps are the limit here; struck again it is another note.
  assert may(after(*begun, held + 40, step), held + 40)
  assert not may(after(*begun, *[held + 40, step] * 2), held + 40)
  assert may(after(*begun, held + 40, step, struck + 40, step), held + 40)
  # A frame ends with its step, the piece after that.
  assert not may(after(struck + 40), codec.end)
  assert may(after(*begun), codec.end)
