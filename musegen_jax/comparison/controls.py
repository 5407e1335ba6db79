"""Sets of music that the measures must tell from what they stand for.

`copy`: training pieces with small edits, which novelty must find. `shuffled`:
held-out pieces whose notes have lost their order; `shuffled bars`: whose bars
have.
"""

import dataclasses

import numpy as np

from musegen_jax.comparison.hearing import Excerpt, Hearing
from musegen_jax.data import notes

# Share of notes that are moved by a step, and how far a copy is transposed.
EDITED = 0.05
LARGEST_SHIFT = 3
# Pitches that every codec can say.
LOWEST, HIGHEST = 21, 108


def edited(excerpt: Excerpt, hearing: Hearing, seed: int) -> notes.Piece:
  """The excerpt transposed, with a few notes moved by a semitone or two.

  Drums are not transposed; of them a few notes are lost.
  """
  rng = np.random.default_rng((seed, excerpt.source))
  table = excerpt.piece.notes.copy()
  chosen = rng.random(len(table)) < EDITED
  if hearing.codec.is_pitch.any():
    shift = rng.integers(-LARGEST_SHIFT, LARGEST_SHIFT + 1)
    steps = rng.choice([-2, -1, 1, 2], len(table)) * chosen
    pitch = table["pitch"].astype(np.int64) + shift + steps
    table["pitch"] = np.clip(pitch, LOWEST, HIGHEST)
  else:
    chosen[:1] = False
    table = table[~chosen]
  return dataclasses.replace(excerpt.piece, notes=notes.sort(table))


def shuffled(excerpt: Excerpt, seed: int) -> notes.Piece:
  """The excerpt with its pitches dealt out anew over its notes.

  Rhythm stays, and so does how often each pitch comes.
  """
  rng = np.random.default_rng((seed, excerpt.source))
  table = excerpt.piece.notes.copy()
  table["pitch"] = rng.permutation(table["pitch"])
  return dataclasses.replace(excerpt.piece, notes=notes.sort(table))


def bars_shuffled(excerpt: Excerpt, hearing: Hearing, seed: int) -> notes.Piece:
  """The excerpt with its bars in another order, of four beats where the codec
  knows none; no note sounds beyond its bar."""
  rng = np.random.default_rng((seed, excerpt.source))
  piece, grid = excerpt.piece, hearing.codec.grid
  beats = grid.bar_steps / grid.steps_per_beat if grid else 4
  ticks = round(beats * piece.ticks_per_beat)
  table = piece.notes.copy()
  bar, inside = np.divmod(table["start_tick"], ticks)
  order = rng.permutation(int(bar.max(initial=0)) + 1)
  table["start_tick"] = order[bar] * ticks + inside
  table["duration_ticks"] = np.minimum(table["duration_ticks"], ticks - inside)
  return dataclasses.replace(piece, notes=notes.sort(table))
