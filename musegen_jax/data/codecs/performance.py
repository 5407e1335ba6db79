"""Performance events: note-on, note-off, time shift, velocity (388 classes).

The event set and its order are those of Performance RNN (Oore et al. 2018,
"This Time with Feeling", section 3; note_seq/performance_lib.py): notes are
sorted by (start, pitch), events by (step, rank of the note, on before off).
One instrument: parts are merged and drums left out. What is lost: onsets and
ends are rounded to 10 ms, velocities to 32 bins, and of notes of equal pitch
that overlap the one that began first ends first.
"""

import numpy as np

from musegen_jax.data import notes
from musegen_jax.data.codecs.codec import Codec, Field, Grammar, Unencodable

STEPS_PER_SECOND = 100
MAX_SHIFT = 100
# 500 ticks a beat at 120 beats a minute: a tick is a millisecond.
TICKS_PER_BEAT = 500
TICKS_PER_STEP = 10

FIELDS = (
  Field("note_on", 0, 127, is_pitch=True),
  Field("note_off", 0, 127, is_pitch=True),
  Field("time_shift", 1, MAX_SHIFT),
  Field("velocity", 1, 32),
)


def encode(piece: notes.Piece, stretch: float = 1.0) -> np.ndarray:
  """Tokens int16 [N] of a piece whose times are multiplied by `stretch`.

  Raises Unencodable when the piece has no pitched note.
  """
  table = piece.notes[~piece.notes["is_drum"]]
  if not len(table):
    raise Unencodable("no pitched notes, only drums")
  ticks = np.stack([table["start_tick"], notes.end_ticks(table)])
  times = notes.tick_seconds(piece, ticks) * (STEPS_PER_SECOND * stretch)
  start_steps, end_steps = np.rint(times).astype(np.int64)
  # Stretched or rounded to nothing, a note still sounds for one step.
  end_steps = np.maximum(end_steps, start_steps + 1)
  order = np.lexsort((table["pitch"], start_steps))
  start_steps, end_steps = start_steps[order], end_steps[order]
  pitch = table["pitch"][order].astype(np.int64)
  bins = (table["velocity"][order].astype(np.int64) - 1) // 4 + 1

  rank = np.arange(len(order))
  is_off = np.repeat([0, 1], len(order))
  steps = np.concatenate([start_steps, end_steps])
  ranks = np.concatenate([rank, rank])
  by_time = np.lexsort((is_off, ranks, steps))
  steps, ranks, is_off = steps[by_time], ranks[by_time], is_off[by_time]

  on, off = CODEC.offsets["note_on"], CODEC.offsets["note_off"]
  events = pitch[ranks] + np.where(is_off, off, on)
  # Silence before the first note is not music: the piece starts with it.
  gaps = np.diff(steps, prepend=steps[0])
  # A velocity is said where it differs from that of the note-on before.
  changed = np.diff(bins, prepend=0) != 0
  says_velocity = (is_off == 0) & changed[ranks]
  long_shifts, rest = gaps // MAX_SHIFT, gaps % MAX_SHIFT
  counts = long_shifts + (rest > 0) + says_velocity + 1
  ends = np.cumsum(counts)
  first_shift = CODEC.offsets["time_shift"]
  # Everything not written below is a full time shift.
  tokens = np.full(ends[-1], first_shift + MAX_SHIFT - 1, np.int64)
  tokens[ends - 1] = events
  spoken = says_velocity.nonzero()[0]
  tokens[ends[spoken] - 2] = CODEC.offsets["velocity"] + bins[ranks[spoken]] - 1
  partial = (rest > 0).nonzero()[0]
  at = ends[partial] - 2 - says_velocity[partial]
  tokens[at] = first_shift + rest[partial] - 1
  return tokens.astype(np.int16)


def decode(tokens: np.ndarray) -> notes.Piece:
  """The piece that tokens [N] say.

  An end without a beginning is ignored, a note that never ends stops with the
  last event, notes of no length are dropped.
  """
  on, off = CODEC.offsets["note_on"], CODEC.offsets["note_off"]
  shift, loud = CODEC.offsets["time_shift"], CODEC.offsets["velocity"]
  step, velocity = 0, 1 + 4 * 16
  sounding: dict[int, list[tuple[int, int]]] = {}
  rows = []
  for token in np.asarray(tokens).tolist():
    if token < off:
      sounding.setdefault(token - on, []).append((step, velocity))
    elif token < shift:
      if sounding.get(token - off):
        start, loudness = sounding[token - off].pop(0)
        rows.append((start, step, token - off, loudness))
    elif token < loud:
      step += token - shift + 1
    elif token < CODEC.begin:
      velocity = 1 + 4 * (token - loud)
  for pitch, open_notes in sounding.items():
    rows += [(start, step, pitch, loudness) for start, loudness in open_notes]
  rows = [row for row in rows if row[1] > row[0]]
  columns = np.array(rows, np.int64).reshape(-1, 4).T
  table = notes.make_notes(
    start_tick=columns[0] * TICKS_PER_STEP,
    duration_ticks=(columns[1] - columns[0]) * TICKS_PER_STEP,
    pitch=columns[2],
    velocity=columns[3],
  )
  return notes.Piece(TICKS_PER_BEAT, table)


def _grammar(codec: Codec) -> Grammar:
  opens = np.full(codec.vocab_size, -1, np.int32)
  closes = np.full(codec.vocab_size, -1, np.int32)
  steps = np.zeros(codec.vocab_size, np.int32)
  opens[codec.offsets["note_on"] + np.arange(128)] = np.arange(128)
  closes[codec.offsets["note_off"] + np.arange(128)] = np.arange(128)
  first = codec.offsets["time_shift"]
  steps[first : first + MAX_SHIFT] = np.arange(1, MAX_SHIFT + 1)
  note_counts = (opens >= 0).astype(np.int32)
  return Grammar(opens, closes, steps, note_counts, monophonic=False)


CODEC = Codec(
  name="performance",
  fields=FIELDS,
  seconds_per_step=1 / STEPS_PER_SECOND,
  encode=encode,
  decode=decode,
  stretchable=True,
  make_grammar=_grammar,
)
