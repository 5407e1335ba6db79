"""Keeps sampled tokens well-formed, by the codec's table of what tokens do.

The promise: every piece has a note, every note ends, lasts a step and no longer
than the limit, every piece ends within its token and time limits. Letters: B
rows, V vocabulary, P = 128 pitches.
"""

import flax.struct
import jax
import jax.numpy as jnp
import numpy as np

from musegen_jax.data.codecs.codec import Codec

PITCHES = 128
# Silence that may come before the first note: less than a bar of sixteenths,
# as the codecs on a grid write it.
MAX_LEADING_STEPS = 15


@flax.struct.dataclass
class Tables:
  """The codec's grammar on the device; [V] each.

  Attributes:
    opens, closes, steps, holds: as in `codec.Grammar`; no holds are all -1.
    modifies: tokens that say something about the note that must follow.
    predictable: neither begin nor pad.
    end: the end token's id.
    monophonic: an opened note closes the one before.
    framed: time is said in frames.
    voices: as in `codec.Grammar`.
  """

  opens: jax.Array
  closes: jax.Array
  steps: jax.Array
  holds: jax.Array
  modifies: jax.Array
  predictable: jax.Array
  end: int = flax.struct.field(pytree_node=False)
  monophonic: bool = flax.struct.field(pytree_node=False)
  framed: bool = flax.struct.field(pytree_node=False)
  voices: int = flax.struct.field(pytree_node=False)


@flax.struct.dataclass
class State:
  """What a row has said so far.

  Attributes:
    opened_at: [B, P] int32, step at which a sounding pitch began, else -1;
      where there are voices, the first columns stand for them, not for pitches.
    said: [B, P] bool, pitches that the frame at hand has; of framed codecs.
    steps: [B] int32, time steps passed.
    onsets: [B] int32, notes begun.
    modified: [B] bool, the last token waits for its note.
    done: [B] bool, the end was said.
  """

  opened_at: jax.Array
  said: jax.Array
  steps: jax.Array
  onsets: jax.Array
  modified: jax.Array
  done: jax.Array


def tables(codec: Codec) -> Tables:
  """The tables of a codec."""
  grammar = codec.grammar
  framed = grammar.holds is not None
  holds = grammar.holds if framed else np.full(codec.vocab_size, -1, np.int32)
  modifies = (grammar.opens < 0) & (grammar.closes == -1) & (grammar.steps == 0)
  modifies &= codec.predictable & (holds < 0)
  modifies[codec.end] = False
  return Tables(
    *map(jnp.asarray, (grammar.opens, grammar.closes, grammar.steps, holds)),
    jnp.asarray(modifies),
    jnp.asarray(codec.predictable),
    codec.end,
    grammar.monophonic,
    framed,
    grammar.voices,
  )


def start(batch_size: int) -> State:
  """Nothing said yet."""
  zeros = jnp.zeros(batch_size, jnp.int32)
  return State(
    opened_at=jnp.full((batch_size, PITCHES), -1, jnp.int32),
    said=jnp.zeros((batch_size, PITCHES), bool),
    steps=zeros,
    onsets=zeros,
    modified=zeros > 0,
    done=zeros > 0,
  )


def advance(tables: Tables, state: State, tokens: jax.Array) -> State:
  """The state after tokens [B]; rows that are done stay as they are."""
  opens, closes = tables.opens[tokens], tables.closes[tokens]
  pitch = np.arange(PITCHES)[None, :]
  is_open = opens >= 0
  ends = (pitch == closes[:, None]) | (closes == -2)[:, None]
  if tables.monophonic:
    ends |= is_open[:, None]
  begins = pitch == opens[:, None]
  if tables.voices > 1:
    own = pitch == (state.steps % tables.voices)[:, None]
    ends, begins = own & ends, own & is_open[:, None]
  opened_at = jnp.where(ends, -1, state.opened_at)
  opened_at = jnp.where(begins, state.steps[:, None], opened_at)
  said = state.said
  if tables.framed:
    said |= begins | (pitch == tables.holds[tokens][:, None])
    passed = (tables.steps[tokens] > 0)[:, None]
    opened_at = jnp.where(passed & ~said, -1, opened_at)
    said &= ~passed
  new = State(
    opened_at=opened_at,
    said=said,
    steps=state.steps + tables.steps[tokens],
    onsets=state.onsets + is_open,
    modified=tables.modifies[tokens],
    done=tokens == tables.end,
  )

  def keep(old: jax.Array, new: jax.Array) -> jax.Array:
    done = state.done.reshape(-1, *[1] * (old.ndim - 1))
    return jnp.where(done, old, new)

  return jax.tree.map(keep, state, new)


def allowed(
  tables: Tables,
  state: State,
  limit_steps: jax.Array,
  tokens_left: jax.Array,
  min_steps: jax.Array,
  note_steps: jax.Array,
) -> jax.Array:
  """Which tokens may come next: bool [B, V], never all false.

  Args:
    tables: of the codec.
    state: of the rows.
    limit_steps: [B] int32, no note begins and no time passes beyond.
    tokens_left: [B] int32, at least 4 for a row that has said nothing.
    min_steps: [B] int32, the piece does not end before, tokens permitting.
    note_steps: int32, longest note; models forget to end one now and then,
      and it would sound to the end of the piece.
  """
  limits = limit_steps, tokens_left, min_steps, note_steps
  if tables.framed:
    return _allowed_in_frames(tables, state, *limits)
  if tables.voices > 1:
    return _allowed_in_voices(tables, state, *limits)
  return _allowed_in_events(tables, state, *limits)


def _allowed_in_events(
  tables: Tables,
  state: State,
  limit_steps: jax.Array,
  tokens_left: jax.Array,
  min_steps: jax.Array,
  note_steps: jax.Array,
) -> jax.Array:
  steps = state.steps[:, None]
  sounding = state.opened_at >= 0
  count = sounding.sum(1)
  # A pitch may stop only after it has lasted a step.
  closable = sounding & (state.opened_at < steps)
  is_open = (tables.opens >= 0)[None, :]
  silent = (count == 0)[:, None]
  has_note = (state.onsets > 0)[:, None]
  # Enough tokens must stay to say: one more note, a step, all the ends.
  closing = (state.steps >= limit_steps) | (tokens_left <= count + 4)
  closing = closing[:, None] & has_note

  closes_pitch = (tables.closes >= 0)[None, :] & jnp.take(
    closable, jnp.maximum(tables.closes, 0), axis=1
  )
  # Where one note sounds at a time the end closes it, and takes no time.
  closes_any = (tables.closes == -2)[None, :] & closable.any(1)[:, None]
  closes_any &= ~closing
  can_open = is_open
  if not tables.monophonic:
    at = jnp.maximum(tables.opens, 0)
    can_open = can_open & ~jnp.take(sounding, at, axis=1)
  passes = (tables.steps > 0)[None, :] & ~is_open
  passes &= (tables.closes == -1)[None, :]
  within = steps + tables.steps[None, :] <= limit_steps[:, None]
  leading = steps < (MAX_LEADING_STEPS if tables.monophonic else 0)
  oldest = jnp.where(sounding, state.opened_at, steps).min(1, keepdims=True)
  within &= steps + tables.steps[None, :] - oldest <= note_steps
  # While closing, time passes only where a note has not lasted a step yet.
  stuck = (sounding & ~closable).any(1)[:, None]
  shortest = (tables.steps == 1)[None, :]
  passes &= jnp.where(closing, stuck & shortest, within & (has_note | leading))
  modifies = tables.modifies[None, :] & ~closing
  modifies &= can_open.any(-1, keepdims=True)
  is_end = (np.arange(len(tables.opens)) == tables.end)[None, :]
  may_end = has_note if tables.monophonic else has_note & silent
  may_end &= closing | (steps >= min_steps[:, None])
  free = closes_pitch | closes_any | passes | modifies
  free |= can_open & ~closing
  free |= is_end & may_end
  if not tables.monophonic:
    # Were it not forced now, other notes would be said in its stead.
    overdue = sounding & (steps - state.opened_at >= note_steps)
    at = jnp.maximum(tables.closes, 0)
    ends_overdue = closes_pitch & jnp.take(overdue, at, axis=1)
    free = jnp.where(overdue.any(1)[:, None], ends_overdue, free)
  # A modifier was said: only its note may follow.
  mask = jnp.where(state.modified[:, None], can_open, free)
  return mask & tables.predictable[None, :]


def _allowed_in_frames(
  tables: Tables,
  state: State,
  limit_steps: jax.Array,
  tokens_left: jax.Array,
  min_steps: jax.Array,
  note_steps: jax.Array,
) -> jax.Array:
  steps = state.steps[:, None]
  has_note = (state.onsets > 0)[:, None]
  # The pitches of a frame come from low to high.
  highest = jnp.where(state.said, np.arange(PITCHES)[None, :], -1)
  highest = highest.max(1, keepdims=True)
  is_begun = highest >= 0
  # Two tokens must stay: the step that ends the frame, and the end.
  closing = (state.steps >= limit_steps) | (tokens_left <= 2)
  closing = closing[:, None] & has_note
  # A pitch that sounds may be struck again.
  sounds = tables.opens[None, :] > highest
  holdable = (state.opened_at >= 0) & (steps - state.opened_at < note_steps)
  at = jnp.maximum(tables.holds, 0)
  sounds |= (tables.holds[None, :] > highest) & jnp.take(holdable, at, axis=1)
  leading = steps < jnp.minimum(MAX_LEADING_STEPS, limit_steps[:, None])
  passes = (tables.steps > 0)[None, :]
  passes &= jnp.where(closing, is_begun, has_note | leading)
  is_end = (np.arange(len(tables.opens)) == tables.end)[None, :]
  is_end &= has_note & ~is_begun & (closing | (steps >= min_steps[:, None]))
  free = (sounds & ~closing) | passes | is_end
  return free & tables.predictable[None, :]


def _allowed_in_voices(
  tables: Tables,
  state: State,
  limit_steps: jax.Array,
  tokens_left: jax.Array,
  min_steps: jax.Array,
  note_steps: jax.Array,
) -> jax.Array:
  steps = state.steps[:, None]
  turn = steps % tables.voices
  opened_at = jnp.take_along_axis(state.opened_at, turn, axis=1)
  has_note = (state.onsets > 0)[:, None]
  # A row of the score is completed before the end: as many tokens must stay.
  closing = (state.steps >= limit_steps) | (tokens_left <= tables.voices)
  closing = closing[:, None] & has_note
  goes_on = ~closing | (turn > 0)
  is_open = (tables.opens >= 0)[None, :]
  rests = (tables.closes == -2)[None, :]
  holds = (tables.steps > 0)[None, :] & ~is_open & ~rests
  leading = steps < jnp.minimum(MAX_LEADING_STEPS, limit_steps[:, None])
  free = is_open & ~closing
  free |= rests & goes_on & (has_note | leading)
  held_too_long = steps - opened_at >= note_steps
  free |= holds & goes_on & (opened_at >= 0) & ~held_too_long
  is_end = (np.arange(len(tables.opens)) == tables.end)[None, :]
  may_end = has_note & (turn == 0)
  free |= is_end & may_end & (closing | (steps >= min_steps[:, None]))
  return free & tables.predictable[None, :]
