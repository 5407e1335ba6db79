"""Four voices on a sixteenth grid, as chorales are written (74 classes).

Soprano, alto, tenor and bass take turns, a token each a sixteenth: a pitch
that is struck, `hold` (the voice's note goes on) or `rest`. The grid is that
of the sixteenth-note chorales of Coconet (Huang et al. 2017), the order of the
tokens that of Music Transformer (Huang et al. 2018), `hold` is DeepBach's
(Hadjeres et al. 2017). The first token stands on a beat, a quarter note, so
that a token's number modulo 16 is its place in the beat whatever the meter.
What is lost: velocity, tempo, instruments, anything off the grid.
"""

import numpy as np

from musegen_jax.data import bars, notes
from musegen_jax.data.codecs import melody
from musegen_jax.data.codecs.codec import (
  Codec,
  Field,
  Grammar,
  Unencodable,
  part_name,
)

VOICES = ("soprano", "alto", "tenor", "bass")
STEPS_PER_BEAT = 4
LOW_PITCH, HIGH_PITCH = 28, 96
TICKS_PER_BEAT = 480
TICKS_PER_STEP = TICKS_PER_BEAT // STEPS_PER_BEAT
CHOIR = 52  # General MIDI's "choir aahs", counted from 0
# Two hours at 120 beats a minute; longer only by a file's mistake.
MAX_STEPS = 1 << 16

FIELDS = (
  Field("hold", 0, 0),
  Field("rest", 0, 0),
  Field("pitch", LOW_PITCH, HIGH_PITCH, is_pitch=True),
)


def parts(piece: notes.Piece) -> list[np.ndarray]:
  """Notes [N] of each of the four voices, the higher mean pitch first.

  Raises Unencodable unless the pitched parts are four that play one note at a
  time.
  """
  pitched = piece.notes[~piece.notes["is_drum"]]
  tracks = pitched["track"]
  found = [pitched[tracks == track] for track in np.unique(tracks)]
  if len(found) != len(VOICES):
    raise Unencodable(f"{len(found)} pitched parts, not {len(VOICES)}")
  for part in found:
    if not melody.is_one_voiced(part):
      raise Unencodable(f"{part_name(part)} is polyphonic")
  return sorted(found, key=lambda part: -part["pitch"].mean())


def encode(piece: notes.Piece, stretch: float = 1.0) -> np.ndarray:
  """Tokens int16 [4 a sixteenth], from the beat of the first note on.

  `stretch` has no meaning on a metrical grid and must be 1. Raises
  Unencodable as `parts` and `quantise` do.
  """
  if stretch != 1.0:
    raise ValueError("the voices codec has no absolute time to stretch")
  return quantise(piece, parts(piece)).reshape(-1)


def quantise(piece: notes.Piece, lines: list[np.ndarray]) -> np.ndarray:
  """Tokens int16 [steps, one a line] of lines of a piece, each the notes [N]
  of a part, from the beat of the first note to the end of the last.

  Raises Unencodable where a line leaves 28..96 or MAX_STEPS is exceeded.
  """
  for line in lines:
    low, high = line["pitch"].min(), line["pitch"].max()
    if low < LOW_PITCH or high > HIGH_PITCH:
      raise Unencodable(
        f"{part_name(line)} has pitches {low}..{high}, beyond"
        f" {LOW_PITCH}..{HIGH_PITCH}"
      )
  ticks_per_step = piece.ticks_per_beat / STEPS_PER_BEAT
  origin = beat_tick(piece)
  heard = [melody.top_line(line, origin, ticks_per_step) for line in lines]
  first = min(starts[0] for starts, _, _ in heard)
  first = first // STEPS_PER_BEAT * STEPS_PER_BEAT
  steps = max(ends[-1] for _, ends, _ in heard) - first
  if steps > MAX_STEPS:
    raise Unencodable(f"longer than {MAX_STEPS:,} sixteenths")
  tokens = np.full((steps, len(lines)), CODEC.offsets["rest"], np.int16)
  for voice, (starts, ends, pitch) in enumerate(heard):
    changes = np.zeros(steps + 1, np.int64)
    changes[starts - first] += 1
    np.subtract.at(changes, ends - first, 1)
    sounds = changes.cumsum()[:-1] > 0
    tokens[sounds, voice] = CODEC.offsets["hold"]
    tokens[starts - first, voice] = CODEC.offsets["pitch"] + pitch - LOW_PITCH
  return tokens


def beat_tick(piece: notes.Piece) -> int:
  """A tick on which a beat falls: where the bars begin that hold longest, since
  a pickup may be written as a short bar of its own."""
  runs = bars.runs(piece, melody.CODEC.grid)
  lengths = [run.bars * (run.bar_steps or melody.STEPS_PER_BAR) for run in runs]
  return runs[int(np.argmax(lengths))].start_tick


def decode(tokens: np.ndarray) -> notes.Piece:
  """The piece that tokens [N] say, at 120 beats a minute: a choir, a track a
  voice. A `hold` where nothing sounds is a rest."""
  tokens = np.asarray(tokens)
  tokens = tokens[tokens < CODEC.begin]
  missing = np.full(-len(tokens) % len(VOICES), CODEC.offsets["rest"])
  rows = np.append(tokens, missing).reshape(-1, len(VOICES))
  tables = [_voice_notes(line, voice) for voice, line in enumerate(rows.T)]
  return notes.Piece(TICKS_PER_BEAT, notes.sort(np.concatenate(tables)))


def _voice_notes(line: np.ndarray, voice: int) -> np.ndarray:
  first = CODEC.offsets["pitch"]
  events = (line != CODEC.offsets["hold"]).nonzero()[0]
  ends = np.append(events[1:], len(line))
  struck = line[events] >= first
  starts, ends = events[struck], ends[struck]
  return notes.make_notes(
    start_tick=starts * TICKS_PER_STEP,
    duration_ticks=(ends - starts) * TICKS_PER_STEP,
    pitch=line[starts] - first + LOW_PITCH,
    program=CHOIR,
    track=voice,
  )


def _grammar(codec: Codec) -> Grammar:
  opens = np.full(codec.vocab_size, -1, np.int32)
  closes = np.full(codec.vocab_size, -1, np.int32)
  steps = np.zeros(codec.vocab_size, np.int32)
  first = codec.offsets["pitch"]
  opens[first : codec.begin] = np.arange(LOW_PITCH, HIGH_PITCH + 1)
  closes[codec.offsets["rest"]] = -2
  steps[: codec.begin] = 1
  return Grammar(
    opens,
    closes,
    steps,
    note_counts=(opens >= 0).astype(np.int32),
    monophonic=True,
    voices=len(VOICES),
  )


CODEC = Codec(
  name="voices",
  fields=FIELDS,
  # A token is one voice's share of a sixteenth.
  seconds_per_step=60 / 120 / STEPS_PER_BEAT / len(VOICES),
  encode=encode,
  decode=decode,
  stretchable=False,
  make_grammar=_grammar,
  cycle=STEPS_PER_BEAT * len(VOICES),
)
