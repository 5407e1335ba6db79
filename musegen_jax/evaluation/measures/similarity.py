"""How much each moment of a piece is like each other moment.

Letters used in shapes: N notes, F frames, S slots of a frame.
"""

import numpy as np

from musegen_jax.data import notes as notes_lib

FRAME_SECONDS = 0.5
MAX_FRAMES = 128
MAX_SLOTS = 16
# As in Mueller, Jiang & Grosche 2013: the share of cells that is kept (0.15 in
# the FMP notebooks, 0.25 in MusDr) and what the others count.
KEPT = 0.2
PENALTY = -2.0
# Frames along a diagonal that are averaged, about 2 s: a bar. For recordings of
# several minutes more are usual.
SMOOTHED = 4


def frame_sixteenths(piece: notes_lib.Piece) -> int:
  """Length of a frame in sixteenths: a divisor of the bar, or whole bars.

  The one nearest to 0.5 s, the 2 Hz of MusDr (Wu & Yang 2020), at the piece's
  mean tempo. Their frames are seconds; these fit the bar, as a repeat after
  some bars would else fall between two frames. The bar is that of the meter
  that lasts longest. Where more than MAX_FRAMES would be needed, frames are
  longer.
  """
  length = _sixteenths(piece)
  bar = _bar_sixteenths(piece)
  choices = [size for size in range(1, bar + 1) if bar % size == 0]
  choices.append(bar * max(1, -(-length // (bar * MAX_FRAMES))))
  choices = [size for size in choices if length <= size * MAX_FRAMES]
  sixteenth = notes_lib.seconds(piece) / max(length, 1)
  distance = np.abs(np.log2(np.array(choices) * max(sixteenth, 1e-9) * 2))
  return choices[int(distance.argmin())]


def frame_seconds(piece: notes_lib.Piece) -> float:
  """Mean length of a frame in seconds; nan for a piece without notes."""
  length = _sixteenths(piece)
  if not length:
    return np.nan
  return notes_lib.seconds(piece) / length * frame_sixteenths(piece)


def self_similarity(piece: notes_lib.Piece) -> np.ndarray:
  """Similarity of every two frames of a piece: float64 [F, F], 0..1, symmetric,
  ones on the diagonal; F <= MAX_FRAMES.

  The mean of two cosines: of chroma (time that each pitch class sounds) and of
  onsets (pitch class and place in the frame, to a sixteenth). A rhythm that
  comes again on other pitches is not the same, nor are the same pitches in
  another rhythm. Silence is a pitch class of its own in both. Drums count only
  where nothing else plays. [0, 0] for a piece without notes.
  """
  vectors = _vectors(piece)
  return np.clip(vectors @ vectors.T, 0, 1)


def enhance(similarity: np.ndarray) -> np.ndarray:
  """Makes paths of repetition stand out: float32 [F, F], PENALTY or 0..1.

  As Mueller, Jiang & Grosche (2013): the mean along the diagonal
  over SMOOTHED frames, ahead or back, whichever is greater; the highest KEPT
  share of the cells, and all equal to its lowest, is scaled to 0..1, the rest
  becomes PENALTY; the main diagonal is 1.
  """
  frames = len(similarity)
  if not frames:
    return np.zeros((0, 0), np.float32)
  similarity = similarity.astype(np.float32)
  ahead = np.zeros((frames + SMOOTHED - 1,) * 2, np.float32)
  for step in range(SMOOTHED):
    back = SMOOTHED - 1 - step
    ahead[back : back + frames, back : back + frames] += similarity
  # Cell c of `ahead` is the mean of the cells c - SMOOTHED + 1 up to c.
  last = SMOOTHED - 1
  smooth = np.maximum(ahead[last:, last:], ahead[:frames, :frames]) / SMOOTHED
  place = int((1 - KEPT) * smooth.size)
  lowest = min(np.partition(smooth, place, axis=None)[place], 1 - 1e-5)
  # Equal means differ in the last digit by the order of their sums.
  kept = smooth >= lowest - 1e-6
  scaled = np.clip((smooth - lowest) / (1 - lowest), 0, 1)
  result = np.where(kept, scaled, np.float32(PENALTY))
  np.fill_diagonal(result, 1)
  return result


def _sixteenths(piece: notes_lib.Piece) -> int:
  """Length of the piece; its last onset lies within."""
  if not len(piece.notes):
    return 0
  start, end = _grid(piece, piece.notes)
  return int(max(np.rint(end.max()), np.rint(start.max()) + 1))


def _grid(
  piece: notes_lib.Piece, notes: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
  """Starts and ends [N] in sixteenths, not rounded."""
  sixteenth = piece.ticks_per_beat / 4
  return notes["start_tick"] / sixteenth, notes_lib.end_ticks(notes) / sixteenth


def _bar_sixteenths(piece: notes_lib.Piece) -> int:
  if not len(piece.meters) or not len(piece.notes):
    return 16
  end = notes_lib.end_ticks(piece.notes).max()
  ticks = np.append(piece.meters["tick"].astype(np.int64), end)
  meter = piece.meters[np.diff(np.minimum(ticks, end)).argmax()]
  sixteenths = 16 * int(meter["numerator"]) / max(1, int(meter["denominator"]))
  # Nonsense in a file counts as 4/4.
  whole = sixteenths == int(sixteenths) and 1 <= sixteenths <= 256
  return int(sixteenths) if whole else 16


def _vectors(piece: notes_lib.Piece) -> np.ndarray:
  """A vector [13 + 12 S + 1] of length 1 for each of F frames."""
  notes = piece.notes
  if not len(notes):
    return np.zeros((0, 1))
  size = frame_sixteenths(piece)
  frames = -(-_sixteenths(piece) // size)
  pitched = ~notes["is_drum"]
  notes = notes[pitched] if pitched.any() else notes
  start, end = _grid(piece, notes)
  pitch_class = notes["pitch"].astype(np.int64) % 12
  chroma = _sounding(start / size, end / size, pitch_class, frames)
  slots = min(size, MAX_SLOTS)
  onset = np.rint(start).astype(np.int64)
  onsets = np.zeros((frames, slots * 12))
  place = onset % size * slots // size
  onsets[onset // size, place * 12 + pitch_class] = 1
  return np.concatenate([_unit(chroma), _unit(onsets)], 1) / np.sqrt(2)


def _sounding(
  start: np.ndarray, end: np.ndarray, pitch_class: np.ndarray, frames: int
) -> np.ndarray:
  """Time [F, 12] that pitch classes sound within each frame, in frames."""
  where, weight = [], []
  # What sounds from a time on is a step from the frame after it; within its
  # frame only the rest of it.
  for time, sign in ((start, 1), (end, -1)):
    frame = np.floor(time)
    part = sign * (time - frame)
    where += [frame, frame + 1]
    weight += [sign - part, part]
  at = np.concatenate(where).astype(np.int64) * 12 + np.tile(pitch_class, 4)
  steps = np.bincount(at, np.concatenate(weight), (frames + 2) * 12)
  sounding = steps.reshape(-1, 12)[:frames].cumsum(0)
  return np.where(sounding > 1e-9, sounding, 0)


def _unit(vectors: np.ndarray) -> np.ndarray:
  """Rows of length 1, with one more place, which is set where all are 0."""
  length = np.sqrt((vectors**2).sum(1, keepdims=True))
  silent = length == 0
  return np.concatenate([vectors / np.where(silent, 1, length), silent], 1)
