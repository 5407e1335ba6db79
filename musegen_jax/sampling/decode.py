"""Autoregressive sampling: one batched, jitted scan per chunk of tokens.

Letters: B rows, C tokens a chunk, N tokens a piece, V vocabulary.
"""

import dataclasses
import functools
from collections.abc import Sequence

import flax.struct
import jax
import jax.numpy as jnp
import numpy as np

from musegen_jax.data.codecs.codec import Codec
from musegen_jax.models import language_model, lstm_step
from musegen_jax.sampling import chunks
from musegen_jax.sampling import grammar as grammar_lib
from musegen_jax.sampling.strategies import NEVER, Strategy

# Tokens a second of music that no real performance needs; a piece that would
# say more is brought to its end.
MAX_TOKENS_PER_SECOND = 100
MIN_TOKENS = 64


@flax.struct.dataclass
class DecodeState:
  """Where a batch of pieces stands.

  Attributes:
    token: [B] int32, said last.
    position: int32, tokens said after begin.
    carry: the model's state.
    grammar: the grammar's state.
  """

  token: jax.Array
  position: jax.Array
  carry: lstm_step.State
  grammar: grammar_lib.State


@flax.struct.dataclass
class Limits:
  """Where pieces and notes must end.

  Attributes:
    steps: [B] int32, time of a piece.
    tokens: [B] int32, tokens of a piece.
    min_steps: [B] int32, time before which a piece does not end.
    note_steps: int32, time of a note.
  """

  steps: jax.Array
  tokens: jax.Array
  min_steps: jax.Array
  note_steps: jax.Array


def choose(
  logits: jax.Array,
  uniforms: jax.Array,
  state: grammar_lib.State,
  position: jax.Array,
  limits: Limits,
  forced: jax.Array,
  *,
  tables: grammar_lib.Tables,
  strategy: Strategy,
) -> tuple[jax.Array, grammar_lib.State]:
  """Draws the next token of each row from what the grammar allows.

  Args:
    logits: [B, V] float32.
    uniforms: [B] in [0, 1).
    state: grammar state.
    position: int32, tokens said so far.
    limits: of the pieces.
    forced: [B] int32, a primer's token, or -1 where the row is free.
    tables: grammar tables.
    strategy: how to draw.

  Returns:
    tokens [B] int32 (the end token for rows that are done) and the new state.
  """
  mask = grammar_lib.allowed(
    tables,
    state,
    limits.steps,
    limits.tokens - position,
    limits.min_steps,
    limits.note_steps,
  )
  tokens = strategy(jnp.where(mask, logits, NEVER), uniforms)
  tokens = jnp.where(forced >= 0, forced, tokens)
  tokens = jnp.where(state.done, tables.end, tokens)
  return tokens, grammar_lib.advance(tables, state, tokens)


@functools.partial(jax.jit, static_argnames="strategy")
def _sample_chunk(
  params: language_model.StepParams,
  state: DecodeState,
  uniforms: jax.Array,
  forced: jax.Array,
  limits: Limits,
  tables: grammar_lib.Tables,
  strategy: Strategy,
) -> tuple[DecodeState, jax.Array]:
  def step(state: DecodeState, inputs: tuple) -> tuple[DecodeState, jax.Array]:
    logits, carry = language_model.step(
      params, state.token, state.carry, position=state.position
    )
    tokens, grammar = choose(
      logits,
      inputs[0],
      state.grammar,
      state.position,
      limits,
      inputs[1],
      tables=tables,
      strategy=strategy,
    )
    return DecodeState(tokens, state.position + 1, carry, grammar), tokens

  return jax.lax.scan(step, state, (uniforms, forced))


@dataclasses.dataclass(frozen=True)
class Lengths:
  """How long pieces may be.

  Attributes:
    seconds: most music after the primer.
    min_seconds: least music after the primer, where it is below `seconds`.
    note_seconds: longest note.
  """

  seconds: float
  min_seconds: float
  note_seconds: float


def make_limits(
  codec: Codec, primers: Sequence[np.ndarray], lengths: Lengths
) -> Limits:
  """Limits of pieces that continue primers (token arrays, may be empty)."""

  def steps(seconds: float) -> int:
    return round(seconds / codec.seconds_per_step)

  new_tokens = max(MIN_TOKENS, round(lengths.seconds * MAX_TOKENS_PER_SECOND))
  begun = jnp.array(
    [codec.grammar.steps[primer].sum() for primer in primers], jnp.int32
  )
  return Limits(
    steps=begun + max(1, steps(lengths.seconds)),
    tokens=jnp.array([len(p) for p in primers], jnp.int32) + new_tokens,
    min_steps=begun + steps(min(lengths.min_seconds, lengths.seconds)),
    note_steps=jnp.int32(max(1, steps(lengths.note_seconds))),
  )


@jax.jit
def _take(
  state: DecodeState, limits: Limits, which: jax.Array
) -> tuple[DecodeState, Limits]:
  def rows(array: jax.Array) -> jax.Array:
    return array[which]

  state = DecodeState(
    token=rows(state.token),
    position=state.position,
    carry=jax.tree.map(lambda part: part[:, which], state.carry),
    grammar=jax.tree.map(rows, state.grammar),
  )
  return state, take_limits(limits, which)


def take_limits(limits: Limits, which: jax.Array | np.ndarray) -> Limits:
  """The limits of some rows."""
  return Limits(
    steps=limits.steps[which],
    tokens=limits.tokens[which],
    min_steps=limits.min_steps[which],
    note_steps=limits.note_steps,
  )


def sample(
  params: language_model.StepParams,
  model: language_model.LanguageModel,
  codec: Codec,
  *,
  indices: np.ndarray,
  primers: Sequence[np.ndarray],
  lengths: Lengths,
  strategy: Strategy,
  seed: int,
) -> list[np.ndarray]:
  """Samples one batch of pieces.

  Args:
    params: from `language_model.step_params`.
    model: the network.
    codec: its codec.
    indices: [B] numbers of the pieces; with `seed` they address all
      randomness, so that a piece depends on nothing else in the batch.
    primers: B token arrays (no begin, no end) that the pieces begin with.
    lengths: of pieces and notes.
    strategy: how tokens are drawn.
    seed: of all pieces.

  Returns:
    B arrays of tokens, without begin and end.
  """
  batch = len(indices)
  tables = grammar_lib.tables(codec)
  limits = make_limits(codec, primers, lengths)
  state = DecodeState(
    token=jnp.full(batch, codec.begin, jnp.int32),
    position=jnp.zeros((), jnp.int32),
    carry=lstm_step.begin(model.zero_carry(batch)),
    grammar=grammar_lib.start(batch),
  )

  def advance(
    held: tuple[DecodeState, Limits], uniforms: jax.Array, forced: jax.Array
  ) -> tuple[tuple[DecodeState, Limits], jax.Array]:
    state, limits = held
    state, tokens = _sample_chunk(
      params, state, uniforms, forced, limits, tables, strategy
    )
    return (state, limits), tokens

  # As committed to its place as what every chunk returns: else the second one
  # would be compiled anew.
  device = next(iter(jax.tree.leaves(params)[0].devices()))
  rows = chunks.run(
    advance,
    jax.device_put((state, limits), device),
    lambda held: held[0].grammar.done,
    lambda held, which: _take(*held, which),
    indices,
    primers,
    seed,
  )
  return [cut_at_end(row, codec) for row in rows]


def cut_at_end(tokens: np.ndarray, codec: Codec) -> np.ndarray:
  """Tokens [N] up to the first end, int16."""
  ends = (tokens == codec.end).nonzero()[0]
  return tokens[: ends[0] if len(ends) else None].astype(np.int16)
