"""Drums on a sixteenth grid: a word of nine bits a step (512 classes).

Classes and the order of their bits are those of note_seq's
DEFAULT_DRUM_TYPE_PITCHES (note_seq/drums_encoder_decoder.py, Apache-2.0), the
words those of MusicVAE's drums (Roberts et al. 2018): 0 is silence. All drum
parts are merged. What is lost: velocity, length, tempo, which drum of a class
it was, drums of no class, anything off the grid.
"""

import numpy as np

from musegen_jax.data import notes
from musegen_jax.data.codecs.codec import (
  Codec,
  Field,
  Grammar,
  Grid,
  Line,
  Unencodable,
  part_name,
)

STEPS_PER_BEAT = 4
STEPS_PER_BAR = 16
TICKS_PER_BEAT = 480
TICKS_PER_STEP = TICKS_PER_BEAT // STEPS_PER_BEAT

# fmt: off
# Lowest bit first; a class is decoded as its first pitch.
CLASSES = {
  "kick": (36, 35),
  "snare": (38, 27, 28, 31, 32, 33, 34, 37, 39, 40, 56, 65, 66, 75, 85),
  "closed hi-hat": (42, 44, 54, 68, 69, 70, 71, 73, 78, 80, 22),
  "open hi-hat": (46, 67, 72, 74, 79, 81, 26),
  "low tom": (45, 29, 41, 43, 61, 64, 84),
  "mid tom": (48, 47, 60, 63, 77, 86, 87),
  "high tom": (50, 30, 62, 76, 83),
  "crash": (49, 52, 55, 57, 58),
  "ride": (51, 53, 59, 82),
}
# fmt: on
FIRST_PITCHES = np.array([pitches[0] for pitches in CLASSES.values()])
# Bit of each MIDI pitch, or -1.
CLASS_OF_PITCH = np.full(128, -1)
for _number, _pitches in enumerate(CLASSES.values()):
  CLASS_OF_PITCH[list(_pitches)] = _number

FIELDS = (Field("word", 0, 2 ** len(CLASSES) - 1),)


def lines(piece: notes.Piece) -> tuple[list[Line], dict[str, str]]:
  """All drums of a piece as one line, and why other parts are none."""
  table = piece.notes
  known = table["is_drum"] & (CLASS_OF_PITCH[table["pitch"]] >= 0)
  left_out = {}
  for track in np.unique(table["track"]).tolist():
    of_track = table["track"] == track
    if not (of_track & known).any():
      part = table[of_track]
      is_drum = part["is_drum"].any()
      reason = "no known drum pitches" if is_drum else "no drums"
      left_out[part_name(part)] = reason
  return [Line(-1, table[known])] if known.any() else [], left_out


def quantise(
  part: np.ndarray, start_tick: float, ticks_per_step: float, steps: int
) -> np.ndarray:
  """Words int16 [steps] of what the notes [N] of a line strike."""
  starts = np.rint((part["start_tick"] - start_tick) / ticks_per_step)
  starts = starts.astype(np.int64)
  inside = (starts >= 0) & (starts < steps)
  words = np.zeros(steps, np.int16)
  bits = (1 << CLASS_OF_PITCH[part["pitch"][inside]]).astype(np.int16)
  np.bitwise_or.at(words, starts[inside], bits)
  return words


def encode(piece: notes.Piece, stretch: float = 1.0) -> np.ndarray:
  """Words int16 [N], one a sixteenth, from the bar of the first note to the
  last note.

  `stretch` has no meaning on a metrical grid and must be 1. Raises
  Unencodable where no drum of a known class sounds.
  """
  if stretch != 1.0:
    raise ValueError("the drums codec has no absolute time to stretch")
  usable, _ = lines(piece)
  if not usable:
    raise Unencodable("no drum notes")
  part = usable[0].notes
  ticks_per_step = piece.ticks_per_beat / STEPS_PER_BEAT
  first, last = np.rint(part["start_tick"][[0, -1]] / ticks_per_step)
  first = int(first) // STEPS_PER_BAR * STEPS_PER_BAR
  steps = int(last) - first + 1
  return quantise(part, first * ticks_per_step, ticks_per_step, steps)


def decode(tokens: np.ndarray) -> notes.Piece:
  """The piece that tokens [N] say, at 120 beats a minute; every note lasts a
  sixteenth."""
  tokens = np.asarray(tokens)
  tokens = tokens[tokens < CODEC.begin]
  struck = (tokens[:, None] >> np.arange(len(CLASSES))) & 1
  steps, classes = struck.nonzero()
  table = notes.make_notes(
    start_tick=steps * TICKS_PER_STEP,
    duration_ticks=np.full(len(steps), TICKS_PER_STEP),
    pitch=FIRST_PITCHES[classes],
    is_drum=True,
  )
  return notes.Piece(TICKS_PER_BEAT, table)


def _grammar(codec: Codec) -> Grammar:
  opens = np.full(codec.vocab_size, -1, np.int32)
  closes = np.full(codec.vocab_size, -1, np.int32)
  steps = np.zeros(codec.vocab_size, np.int32)
  note_counts = np.zeros(codec.vocab_size, np.int32)
  words = np.arange(codec.begin)
  struck = (words[:, None] >> np.arange(len(CLASSES))) & 1
  # A word stands for its lowest class; the next one takes its place.
  opens[words[1:]] = FIRST_PITCHES[struck[1:].argmax(axis=1)]
  note_counts[words] = struck.sum(axis=1)
  steps[words] = 1
  return Grammar(opens, closes, steps, note_counts, monophonic=True)


CODEC = Codec(
  name="drums",
  fields=FIELDS,
  seconds_per_step=60 / 120 / STEPS_PER_BEAT,
  encode=encode,
  decode=decode,
  stretchable=False,
  make_grammar=_grammar,
  grid=Grid(STEPS_PER_BEAT, STEPS_PER_BAR, lines, quantise),
)
