"""One block of a piece drawn again: the kernel of `sampling.harmonise`.

M - 1 candidates q from the model given the past, beside the block as it is;
one of the M is drawn by its weight

  p(block and what is heard after it)^(1/t) / q(the free tokens of the block),

iterated sampling importance resampling (Andrieu, Doucet & Holenstein 2010 and
Andrieu, Lee & Vihola 2018, without resampling inside a block). It leaves
p(free tokens | the others)^(1/t) as it is where all that follows is heard.

Letters: B pieces, M candidates, N = B*M rows, T tokens a piece, K tokens a
block at most, L layers, H LSTM units, V vocabulary, S voices.
"""

from typing import NamedTuple

import flax.struct
import jax
import jax.numpy as jnp
import numpy as np

from musegen_jax.data.codecs.codec import Codec
from musegen_jax.models import language_model, lstm_step
from musegen_jax.sampling.strategies import NEVER, Strategy


@flax.struct.dataclass
class Rules:
  """What may be said; [V] bool each.

  Attributes:
    sayable: tokens of the score, no specials.
    holds: tokens that need a note to go on.
    opens: tokens that begin a note.
  """

  sayable: jax.Array
  holds: jax.Array
  opens: jax.Array


@flax.struct.dataclass
class Path:
  """Where rows stand.

  Attributes:
    token: [N] int32, said last.
    carry: the model's state, of N rows.
    sounds: [N, S] bool, voices in which a note sounds.
  """

  token: jax.Array
  carry: lstm_step.State
  sounds: jax.Array


class Block(NamedTuple):
  """A stretch of the piece to be drawn again.

  Attributes:
    start: number of its first token.
    stop: number of the first token after it.
    last: number of the first token that is not heard any more.
    free: [S] bool, voices that are drawn.
  """

  start: int
  stop: int
  last: int
  free: np.ndarray


def rules(codec: Codec) -> Rules:
  """The rules of a codec of interleaved voices."""
  grammar = codec.grammar
  sayable = grammar.steps > 0
  opens = grammar.opens >= 0
  holds = sayable & ~opens & (grammar.closes == -1)
  return Rules(*map(jnp.asarray, (sayable, holds, opens)))


def begin(
  model: language_model.LanguageModel, codec: Codec, batch: int
) -> Path:
  """Where pieces stand before their first token."""
  return Path(
    jnp.full(batch, codec.begin, jnp.int32),
    lstm_step.begin(model.zero_carry(batch)),
    jnp.zeros((batch, codec.grammar.voices), bool),
  )


def _say(
  params: language_model.StepParams,
  rules: Rules,
  path: Path,
  position: jax.Array,
  forced: jax.Array,
  is_free: jax.Array,
  is_drawn: jax.Array,
  uniforms: jax.Array,
  temperature: jax.Array,
) -> tuple[Path, jax.Array, jax.Array]:
  """One token of every row: the new path, tokens [N] and their log weight [N],
  log p / t, less log q where the token is free."""
  voice = position % path.sounds.shape[1]
  sounds = path.sounds[:, voice]
  logits, carry = language_model.step(
    params, path.token, path.carry, position=position
  )
  log_p = jax.nn.log_softmax(logits) / temperature
  valid = rules.sayable[None, :] & (sounds[:, None] | ~rules.holds[None, :])
  proposal = jnp.where(valid, log_p, NEVER)
  drawn = Strategy()(proposal, uniforms)
  tokens = jnp.where(is_drawn, drawn, forced)
  log_q = jax.nn.log_softmax(proposal)

  def of_token(values: jax.Array) -> jax.Array:
    return jnp.take_along_axis(values, tokens[:, None], axis=1)[:, 0]

  weight = of_token(log_p) - jnp.where(is_free, of_token(log_q), 0)
  # A hold with nothing to hold is none of the sequences there are.
  senseless = rules.holds[tokens] & ~sounds
  weight = jnp.where(senseless, NEVER, weight)
  goes_on = rules.opens[tokens] | (rules.holds[tokens] & sounds)
  new = Path(tokens, carry, path.sounds.at[:, voice].set(goes_on))
  return new, tokens, weight


@jax.jit
def resample(
  params: language_model.StepParams,
  rules: Rules,
  tokens: jax.Array,
  path: Path,
  block: Block,
  uniforms: jax.Array,
  picks: jax.Array,
  temperature: jax.Array,
  keep: jax.Array,
) -> tuple[jax.Array, Path]:
  """Draws the free tokens of a block again.

  Args:
    params: from `language_model.step_params`.
    rules: of the codec.
    tokens: [T + K, B] int32, the pieces, the end included.
    path: where they stand before the block, N = B.
    block: at most K tokens.
    uniforms: [K, B, M] in [0, 1), for the tokens.
    picks: [B] in [0, 1), for the choice among the candidates.
    temperature: t.
    keep: int32, candidates that are the block as it is: 1, or 0 where there is
      none yet.

  Returns:
    The new tokens, and where the pieces stand after the block.
  """
  count, rows, candidates = uniforms.shape
  flat = uniforms.reshape(count, rows * candidates)
  is_drawn = jnp.tile(jnp.arange(candidates) >= keep, rows)

  def spread(array: jax.Array, axis: int) -> jax.Array:
    return jnp.repeat(array, candidates, axis=axis)

  def say(state: tuple, position: jax.Array, is_free: jax.Array) -> tuple:
    path, weight, said = state
    # Past the block there is nothing to draw, whatever its number says.
    offset = jnp.minimum(position - block.start, count - 1)
    path, token, gain = _say(
      params,
      rules,
      path,
      position,
      spread(tokens[position], 0),
      is_free,
      is_free & is_drawn,
      flat[offset],
      temperature,
    )
    return path, weight + gain, (offset, token, said)

  def draw(position: jax.Array, state: tuple) -> tuple:
    is_free = block.free[position % len(block.free)]
    path, weight, (offset, token, said) = say(state, position, is_free)
    return path, weight, said.at[offset].set(token)

  def hear(position: jax.Array, state: tuple) -> tuple:
    path, weight, _ = say((*state, None), position, jnp.bool_(False))
    return path, weight

  wide = Path(
    spread(path.token, 0),
    jax.tree.map(lambda a: spread(a, 1), path.carry),
    spread(path.sounds, 0),
  )
  weight = jnp.zeros(rows * candidates)
  said = jnp.zeros((count, rows * candidates), jnp.int32)
  after, weight, said = jax.lax.fori_loop(
    block.start, block.stop, draw, (wide, weight, said)
  )
  _, weight = jax.lax.fori_loop(block.stop, block.last, hear, (after, weight))
  chosen = Strategy()(weight.reshape(rows, candidates), picks)
  chosen += jnp.arange(rows) * candidates
  old = jax.lax.dynamic_slice_in_dim(tokens, block.start, count)
  is_inside = block.start + jnp.arange(count) < block.stop
  new = jnp.where(is_inside[:, None], said[:, chosen], old)
  tokens = jax.lax.dynamic_update_slice_in_dim(tokens, new, block.start, 0)
  path = Path(
    after.token[chosen],
    jax.tree.map(lambda a: a[:, chosen], after.carry),
    after.sounds[chosen],
  )
  return tokens, path
