"""Piano-roll frames on a metrical grid: 88 keys, struck or held.

The keys and eighth-note steps are those of the polyphonic benchmark of
Boulanger-Lewandowski et al. 2012 (its chorales: quarters); that a held key is
kept apart from a struck one is ours. A frame is said as its sounding keys from
low to high, then `step`. All pitched parts are merged. What is lost: drums,
velocity, tempo, keys outside 21..108, anything off the grid, which of two
notes of one key ends first, silent bars before the first note.
"""

import functools

import numpy as np

from musegen_jax.data import frames, notes
from musegen_jax.data.codecs.codec import Codec, Field, Grammar, Unencodable

STEPS_PER_BEAT = 2
BEATS_PER_BAR = 4
TICKS_PER_BEAT = 480
# An hour and more of sixteenths at 120 beats a minute; checked before the
# roll, 88 bytes a frame, is made.
MAX_FRAMES = 100_000

FIELDS = (
  Field("struck", frames.LOWEST, frames.HIGHEST, is_pitch=True),
  Field("held", frames.LOWEST, frames.HIGHEST, is_pitch=True),
  Field("step", 0, 0),
)


def roll_of(piece: notes.Piece, steps_per_beat: int) -> np.ndarray:
  """The roll uint8 [T, 88] of a piece, from the bar of the first note to the
  end of the last.

  A note lasts at least a step; a note that begins in a key which sounds strikes
  it again. Raises Unencodable where no key sounds, or more than MAX_FRAMES
  steps are needed.
  """
  part = piece.notes[~piece.notes["is_drum"]]
  key = part["pitch"].astype(np.int64) - frames.LOWEST
  inside = (key >= 0) & (key < frames.KEYS)
  part, key = part[inside], key[inside]
  if not len(part):
    raise Unencodable(f"no pitched notes in {frames.LOWEST}..{frames.HIGHEST}")
  ticks_per_step = piece.ticks_per_beat / steps_per_beat
  ticks = np.stack([part["start_tick"], notes.end_ticks(part)])
  starts, ends = np.rint(ticks / ticks_per_step).astype(np.int64)
  ends = np.maximum(ends, starts + 1)
  bar = BEATS_PER_BAR * steps_per_beat
  offset = starts.min() // bar * bar
  starts, ends = starts - offset, ends - offset
  count = int(ends.max())
  if count > MAX_FRAMES:
    raise Unencodable(f"longer than {MAX_FRAMES:,} frames")
  # Notes that begin less notes that end, summed up: how many sound.
  changes = np.zeros((count + 1, frames.KEYS), np.int32)
  np.add.at(changes, (starts, key), 1)
  np.add.at(changes, (ends, key), -1)
  sounding = np.cumsum(changes[:-1], axis=0, dtype=np.int32) > 0
  roll = np.where(sounding, frames.HELD, frames.SILENT).astype(np.uint8)
  roll[starts, key] = frames.STRUCK
  return roll


def piece_of(roll: np.ndarray, steps_per_beat: int) -> notes.Piece:
  """The piece that a roll [T, 88] says, at 120 beats a minute.

  A key held without a note before begins one.
  """
  silence = np.zeros((1, frames.KEYS), roll.dtype)
  before = np.concatenate([silence, roll[:-1]])
  after = np.concatenate([roll[1:], silence])
  sounding = roll != frames.SILENT
  begins = (roll == frames.STRUCK) | (sounding & (before == frames.SILENT))
  lasts = sounding & (after != frames.HELD)
  # Key by key, so that beginnings and last frames come in the same order.
  key, starts = begins.T.nonzero()
  _, last = lasts.T.nonzero()
  ticks_per_step = TICKS_PER_BEAT // steps_per_beat
  table = notes.make_notes(
    start_tick=starts * ticks_per_step,
    duration_ticks=(last + 1 - starts) * ticks_per_step,
    pitch=key + frames.LOWEST,
  )
  # Not TICKS_PER_BEAT, for grids that do not divide it.
  return notes.Piece(ticks_per_step * steps_per_beat, table)


def _grammar(codec: Codec) -> Grammar:
  opens = np.full(codec.vocab_size, -1, np.int32)
  # No token closes a key: the step does, for those its frame did not say.
  closes, holds = opens.copy(), opens.copy()
  steps = np.zeros(codec.vocab_size, np.int32)
  pitches = np.arange(frames.LOWEST, frames.HIGHEST + 1)
  opens[codec.offsets["struck"] + np.arange(frames.KEYS)] = pitches
  holds[codec.offsets["held"] + np.arange(frames.KEYS)] = pitches
  steps[codec.offsets["step"]] = 1
  note_counts = (opens >= 0).astype(np.int32)
  return Grammar(
    opens, closes, steps, note_counts, monophonic=False, holds=holds
  )


@functools.cache
def on_grid(steps_per_beat: int) -> Codec:
  """The codec with that many steps in a quarter note.

  Its step, and so its vocabulary hash, is its own; the tokens are the same.
  """

  def encode(piece: notes.Piece, stretch: float = 1.0) -> np.ndarray:
    """Tokens int16 [N]; raises Unencodable as `roll_of` does.

    `stretch` has no meaning on a metrical grid and must be 1.
    """
    if stretch != 1.0:
      raise ValueError("the frames codec has no absolute time to stretch")
    return frames.to_tokens(roll_of(piece, steps_per_beat), codec)

  def decode(tokens: np.ndarray) -> notes.Piece:
    """The piece that tokens [N] say, as `from_tokens` and `piece_of` do."""
    return piece_of(frames.from_tokens(tokens, codec), steps_per_beat)

  codec = Codec(
    name="frames",
    fields=FIELDS,
    seconds_per_step=60 / 120 / steps_per_beat,
    encode=encode,
    decode=decode,
    stretchable=False,
    make_grammar=_grammar,
    on_grid=on_grid,
  )
  return codec


CODEC = on_grid(STEPS_PER_BEAT)
