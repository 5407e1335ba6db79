"""Melody on a sixteenth grid: no-event, note-off or a pitch (90 classes).

The classes are those of MusicVAE's melodies (Roberts et al. 2018;
note_seq MelodyOneHotEncoding(21, 109)): 16 steps a bar of 4/4. One melody a
piece: the highest of the parts that play one note at a time, or else the top
line of the highest part. What is lost: all other parts, velocity, tempo,
anything off the grid.
"""

import numpy as np

from musegen_jax.data import notes
from musegen_jax.data.codecs.codec import Codec, Field, Grammar, Unencodable

STEPS_PER_BEAT = 4
STEPS_PER_BAR = 16
LOW_PITCH, HIGH_PITCH = 21, 108
TICKS_PER_BEAT = 480
TICKS_PER_STEP = TICKS_PER_BEAT // STEPS_PER_BEAT
# A part still counts as one-voiced with this share of overlapping notes.
MAX_OVERLAP = 0.05

FIELDS = (
  Field("no_event", 0, 0),
  Field("note_off", 0, 0),
  Field("pitch", LOW_PITCH, HIGH_PITCH, is_pitch=True),
)


def melody_part(piece: notes.Piece) -> np.ndarray:
  """Notes of the part that carries the melody, sorted by start_tick.

  One-voiced parts go first, then the higher mean pitch. Raises Unencodable
  where there is no pitched note in 21..108.
  """
  table = piece.notes
  usable = ~table["is_drum"]
  usable &= (table["pitch"] >= LOW_PITCH) & (table["pitch"] <= HIGH_PITCH)
  table = table[usable]
  if not len(table):
    raise Unencodable("no pitched notes in 21..108")
  best, best_rank = table, (-1.0, 0.0)
  for track in np.unique(table["track"]):
    part = table[table["track"] == track]
    ends = notes.end_ticks(part)
    overlap = (
      np.mean(ends[:-1] > part["start_tick"][1:]) if len(part) > 1 else 0
    )
    rank = (float(overlap <= MAX_OVERLAP), float(part["pitch"].mean()))
    if rank > best_rank:
      best, best_rank = part, rank
  return best


def encode(piece: notes.Piece, stretch: float = 1.0) -> np.ndarray:
  """Tokens int16 [N], one a sixteenth, from the bar of the first note on.

  `stretch` has no meaning on a metrical grid and must be 1. Raises
  Unencodable as `melody_part` does.
  """
  if stretch != 1.0:
    raise ValueError("the melody codec has no absolute time to stretch")
  part = melody_part(piece)
  per_tick = STEPS_PER_BEAT / piece.ticks_per_beat
  starts = np.rint(part["start_tick"] * per_tick).astype(np.int64)
  ends = np.rint(notes.end_ticks(part) * per_tick).astype(np.int64)
  # Of the notes that start together the highest is the melody.
  order = np.lexsort((-part["pitch"].astype(np.int64), starts))
  order = order[np.diff(starts[order], prepend=-1) > 0]
  starts, ends = starts[order], np.maximum(ends[order], starts[order] + 1)
  pitch = part["pitch"][order].astype(np.int64)
  offset = starts[0] // STEPS_PER_BAR * STEPS_PER_BAR
  starts, ends = starts - offset, ends - offset
  ends[:-1] = np.minimum(ends[:-1], starts[1:])
  # The last note is closed by the end of the piece, not by a note-off.
  tokens = np.full(ends[-1], CODEC.offsets["no_event"], np.int16)
  tokens[ends[:-1]] = CODEC.offsets["note_off"]
  tokens[starts] = CODEC.offsets["pitch"] + pitch - LOW_PITCH
  return tokens


def decode(tokens: np.ndarray) -> notes.Piece:
  """The piece that tokens [N] say, at 120 beats a minute."""
  tokens = np.asarray(tokens)
  tokens = tokens[tokens < CODEC.begin]
  first = CODEC.offsets["pitch"]
  events = (tokens != CODEC.offsets["no_event"]).nonzero()[0]
  ends = np.append(events[1:], len(tokens))
  is_onset = tokens[events] >= first
  starts, ends = events[is_onset], ends[is_onset]
  table = notes.make_notes(
    start_tick=starts * TICKS_PER_STEP,
    duration_ticks=(ends - starts) * TICKS_PER_STEP,
    pitch=tokens[starts] - first + LOW_PITCH,
  )
  return notes.Piece(TICKS_PER_BEAT, table)


def _grammar(codec: Codec) -> Grammar:
  opens = np.full(codec.vocab_size, -1, np.int32)
  closes = np.full(codec.vocab_size, -1, np.int32)
  steps = np.zeros(codec.vocab_size, np.int32)
  first = codec.offsets["pitch"]
  opens[first : codec.begin] = np.arange(LOW_PITCH, HIGH_PITCH + 1)
  closes[codec.offsets["note_off"]] = -2
  steps[: codec.begin] = 1
  return Grammar(opens, closes, steps, monophonic=True)


CODEC = Codec(
  name="melody",
  fields=FIELDS,
  seconds_per_step=60 / 120 / STEPS_PER_BEAT,
  encode=encode,
  decode=decode,
  stretchable=False,
  make_grammar=_grammar,
)
