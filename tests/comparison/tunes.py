"""Tunes for tests of comparisons: made in code, but with keys and phrases."""

import pathlib

import numpy as np

from musegen_jax.data import midi, notes

BEAT = 480
SCALE = np.array([0, 2, 4, 5, 7, 9, 11])
RHYTHMS = (
  [1, 1, 1, 1],
  [2, 1, 1],
  [1, 1, 2],
  [0.5, 0.5, 1, 2],
  [1, 0.5, 0.5, 2],
)


def phrase(rng: np.random.Generator) -> list[tuple[float, int]]:
  """Beats and degrees of notes: two bars of steps up and down a scale."""
  found, degree = [], int(rng.integers(0, 8))
  for _ in range(2):
    for beats in RHYTHMS[rng.integers(len(RHYTHMS))]:
      found.append((beats, degree))
      degree += int(rng.choice([-2, -1, -1, 0, 1, 1, 2]))
      degree = min(max(degree, -2), 11)
  return found


def tune(seed: int, bars: int = 4) -> notes.Piece:
  """A phrase of two bars over and over, in a key of its own."""
  rng = np.random.default_rng(seed)
  tonic = 55 + int(rng.integers(0, 12))
  said = phrase(rng) * (bars // 2)
  beats = np.array([each[0] for each in said])
  degrees = np.array([each[1] for each in said])
  octave, step = np.divmod(degrees, 7)
  starts = np.cumsum(np.append(0, beats[:-1]))
  table = notes.make_notes(
    (starts * BEAT).astype(int),
    (beats * BEAT).astype(int),
    tonic + 12 * octave + SCALE[step],
  )
  return notes.Piece(BEAT, table)


def write(folder: pathlib.Path, count: int) -> None:
  """Writes tunes 0..count - 1 as MIDI files."""
  folder.mkdir(parents=True)
  for number in range(count):
    midi.write_midi(tune(number), folder / f"tune{number:03d}.mid")
