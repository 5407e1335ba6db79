"""Melody on a sixteenth grid: no-event, note-off or a pitch (90 classes).

The classes are those of MusicVAE's melodies (Roberts et al. 2018;
note_seq MelodyOneHotEncoding(21, 109)): 16 steps a bar of 4/4. `encode` says
one melody a piece: the highest of the parts that play one note at a time, or
else the top line of the highest part. What is lost: all other parts, velocity,
tempo, anything off the grid.
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


def lines(piece: notes.Piece) -> tuple[list[Line], dict[str, str]]:
  """The melodies of a piece, best first, and why other parts are none.

  A line a part: those that play one note at a time, the higher mean pitch
  first. Where there is none, the top lines of the others.
  """
  one_voiced, polyphonic, left_out = [], [], {}
  tracks = piece.notes["track"]
  for track in np.unique(tracks).tolist():
    part = piece.notes[tracks == track]
    name = part_name(part)
    part = part[~part["is_drum"]]
    if not len(part):
      left_out[name] = "drums"
      continue
    part = part[(part["pitch"] >= LOW_PITCH) & (part["pitch"] <= HIGH_PITCH)]
    if not len(part):
      left_out[name] = f"no pitches in {LOW_PITCH}..{HIGH_PITCH}"
      continue
    voices = one_voiced if is_one_voiced(part) else polyphonic
    voices.append(Line(track, part))
  if one_voiced:
    for line in polyphonic:
      left_out[part_name(line.notes)] = "polyphonic beside one-voiced parts"
  usable = one_voiced or polyphonic
  usable.sort(key=lambda line: -line.notes["pitch"].mean())
  return usable, left_out


def is_one_voiced(part: np.ndarray) -> bool:
  """Whether hardly any of notes [N], sorted by start_tick, sound together."""
  overlap = notes.end_ticks(part)[:-1] > part["start_tick"][1:]
  return bool(overlap.sum() <= MAX_OVERLAP * overlap.size)


def melody_part(piece: notes.Piece) -> np.ndarray:
  """Notes of the part that carries the melody, sorted by start_tick.

  Raises Unencodable where there is no pitched note in 21..108.
  """
  usable, _ = lines(piece)
  if not usable:
    raise Unencodable(f"no pitched notes in {LOW_PITCH}..{HIGH_PITCH}")
  return usable[0].notes


def top_line(
  part: np.ndarray, start_tick: float, ticks_per_step: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
  """What is heard of notes [N], at least one, one note at a time.

  Returns:
    Start and end step, counted from start_tick, and pitch: int64 [at most N]
    each, in order of time; no note is shorter than a step.
  """
  starts = (part["start_tick"] - start_tick) / ticks_per_step
  ends = (notes.end_ticks(part) - start_tick) / ticks_per_step
  starts, ends = np.rint([starts, ends]).astype(np.int64)
  # Of the notes that start together the highest is the melody.
  order = np.lexsort((-part["pitch"].astype(np.int64), starts))
  starts = starts[order]
  first = np.append(True, starts[1:] > starts[:-1])
  order, starts = order[first], starts[first]
  ends = np.maximum(ends[order], starts + 1)
  ends[:-1] = np.minimum(ends[:-1], starts[1:])
  return starts, ends, part["pitch"][order].astype(np.int64)


def _write(
  starts: np.ndarray, ends: np.ndarray, pitch: np.ndarray, steps: int
) -> np.ndarray:
  tokens = np.full(steps, CODEC.offsets["no_event"], np.int16)
  inside = (starts >= 0) & (starts < steps)
  starts, ends, pitch = starts[inside], ends[inside], pitch[inside]
  # What sounds to the last step needs no note-off.
  tokens[ends[ends < steps]] = CODEC.offsets["note_off"]
  tokens[starts] = CODEC.offsets["pitch"] + pitch - LOW_PITCH
  return tokens


def quantise(
  part: np.ndarray, start_tick: float, ticks_per_step: float, steps: int
) -> np.ndarray:
  """Tokens int16 [steps] of the top line of the notes [N] of a part.

  Notes that begin before start_tick are not heard, nor is their end.
  """
  return _write(*top_line(part, start_tick, ticks_per_step), steps)


def encode(piece: notes.Piece, stretch: float = 1.0) -> np.ndarray:
  """Tokens int16 [N], one a sixteenth, from the bar of the first note on.

  `stretch` has no meaning on a metrical grid and must be 1. Raises
  Unencodable as `melody_part` does.
  """
  if stretch != 1.0:
    raise ValueError("the melody codec has no absolute time to stretch")
  part = melody_part(piece)
  starts, ends, pitch = top_line(part, 0, piece.ticks_per_beat / STEPS_PER_BEAT)
  offset = starts[0] // STEPS_PER_BAR * STEPS_PER_BAR
  return _write(starts - offset, ends - offset, pitch, ends[-1] - offset)


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
  note_counts = (opens >= 0).astype(np.int32)
  return Grammar(opens, closes, steps, note_counts, monophonic=True)


CODEC = Codec(
  name="melody",
  fields=FIELDS,
  seconds_per_step=60 / 120 / STEPS_PER_BEAT,
  encode=encode,
  decode=decode,
  stretchable=False,
  make_grammar=_grammar,
  grid=Grid(STEPS_PER_BEAT, STEPS_PER_BAR, lines, quantise),
)
