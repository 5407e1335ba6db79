"""Whatever the model prefers, a sampled piece is whole."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from musegen_jax.data.codecs import codec as codec_lib
from musegen_jax.data.codecs import drums, melody, performance
from musegen_jax.sampling import decode
from musegen_jax.sampling import grammar as grammar_lib
from musegen_jax.sampling.strategies import Strategy

BATCH = 64
NOTE_STEPS = 30
TICKS_PER_STEP = {
  "drums": drums.TICKS_PER_STEP,
  "melody": melody.TICKS_PER_STEP,
  "performance": performance.TICKS_PER_STEP,
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
    # One step more for a note that was begun as its piece ran out of tokens.
    assert longest <= NOTE_STEPS + 1
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
    # Brought to an end by its tokens, a piece may add a step a note.
    steps = grammar.steps[tokens].sum()
    assert steps <= limit_steps + 1


@pytest.mark.parametrize("name", codec_lib.names())
def test_a_piece_does_not_end_too_soon(name: str) -> None:
  codec = codec_lib.load(name)
  rows = draw(codec, biases(codec)["end"], 40, 256, min_steps=25)
  for row in rows:
    steps = codec.grammar.steps[decode.cut_at_end(row, codec)].sum()
    assert 25 <= steps <= 41


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
