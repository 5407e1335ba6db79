"""How well a segment of a piece explains the rest of it by its repetitions.

Letters used in shapes: P pieces, F frames, S starts of a segment.
"""

from collections.abc import Sequence

import numpy as np

from musegen_jax.data.notes import Piece
from musegen_jax.evaluation.measures import similarity as similarity_lib

# Lengths of segments in seconds, of Wu & Yang 2020: short, medium, long.
RANGES = ((3.0, 8.0), (8.0, 15.0), (15.0, np.inf))
# Where more of all pairs of frames are alike, nothing changes that could come
# again.
MAX_ALIKE = 0.8
ALIKE = 0.999

# A cell of a similarity matrix as an integer: its value in 2**14ths times 256,
# less 1. The sum over a family of paths holds its score and, in the low byte,
# the number of its cells; of equal scores that with fewer cells is greater.
# 128 cells of -2 stay within 31 bits.
_PARTS = 1 << 14
_CELLS = 256
_PIECES_AT_ONCE = 32


def structureness(pieces: Sequence[Piece]) -> np.ndarray:
  """Structureness indicators [P, 3] of pieces, 0..1 (Wu & Yang 2020).

  The greatest fitness of any segment of 3 to 8 s, 8 to 15 s, and over 15 s,
  none longer than half of the piece: high where a segment of that length comes
  again, often and exactly. `similarity.self_similarity` says what frames are.

  nan where the piece is shorter than twice the shortest segment, and where
  more than MAX_ALIKE of all pairs of frames are alike: one repeated note is
  explained by any of its parts, and a fitness near 1 would praise it.
  """
  result = np.full((len(pieces), len(RANGES)), np.nan)
  matrices = []
  for piece in pieces:
    similarity = similarity_lib.self_similarity(piece)
    alike = similarity.size and (similarity > ALIKE).mean() > MAX_ALIKE
    matrices.append(
      np.zeros((0, 0)) if alike else similarity_lib.enhance(similarity)
    )
  best = best_fitness(matrices)
  for number, piece in enumerate(pieces):
    frames = len(matrices[number])
    seconds = similarity_lib.frame_seconds(piece) if frames else 0
    if not seconds > 0:
      continue
    lengths = np.arange(frames // 2 + 1) * seconds
    for column, (low, high) in enumerate(RANGES):
      # Half a hundredth of a frame for rounding.
      near = 0.005 * seconds
      inside = (lengths >= low - near) & (lengths <= high + near)
      if inside[2:].any():
        values = best[number, : len(lengths)]
        result[number, column] = values[inside].max()
  return result


def best_fitness(matrices: Sequence[np.ndarray]) -> np.ndarray:
  """The greatest fitness of all segments of each length, [P, F // 2 + 1].

  Args:
    matrices: P matrices [F, F] as `similarity.enhance` makes them, of at most
      MAX_FRAMES frames; they may differ in F.

  Returns:
    [P, L]: column l is of segments of l frames, for l from 2 to half of the
    frames of a piece; nan elsewhere. See `scape_plot`.
  """
  sizes = np.array([len(matrix) for matrix in matrices], int)
  result = np.full((len(matrices), max([0, *sizes]) // 2 + 1), np.nan)
  # Like sizes together, so that little is padded.
  order = sizes.argsort(kind="stable")
  for first in range(0, len(order), _PIECES_AT_ONCE):
    chosen = order[first : first + _PIECES_AT_ONCE]
    prefix = _prefix_sums([matrices[number] for number in chosen])
    room = np.empty_like(prefix)
    for length in range(2, sizes[chosen].max() // 2 + 1):
      found = _fitness(prefix, length, sizes[chosen], room).max(0)
      long_enough = length <= sizes[chosen] // 2
      result[chosen, length] = np.where(long_enough, found, np.nan)
  return result


def scape_plot(matrix: np.ndarray) -> np.ndarray:
  """Fitness of every segment of a piece, float64 [F + 1, F], 0..1.

  Mueller, Jiang & Grosche (2013): for a segment of l frames, the family of
  paths through its columns with the greatest score, no two in the same row,
  says where it comes again. Here the grid has no rubato: a path is a straight
  diagonal, l cells long, and its score is their sum. With the score and the
  coverage (rows with a path) of the best family, of equal ones that with fewer
  paths, fitness is the harmonic mean of (score - l) / cells and
  (coverage - l) / F, the segment itself being left out; 0 where either is not
  positive. Dynamic programming over the rows, O(F^3) in all.

  Args:
    matrix: [F, F] as `similarity.enhance` makes it, F <= MAX_FRAMES.

  Returns:
    [l, s]: of the segment of l frames from frame s on; 0 where there is none.
  """
  frames = len(matrix)
  result = np.zeros((frames + 1, frames))
  prefix = _prefix_sums([matrix])
  room = np.empty_like(prefix)
  for length in range(1, frames + 1):
    found = _fitness(prefix, length, np.array([frames]), room)
    result[length, : len(found)] = found[:, 0]
  return result


def _prefix_sums(matrices: list[np.ndarray]) -> np.ndarray:
  """Sums along the diagonals of cells as integers, int32 [F + 1, F + 1, P]."""
  frames = max(len(matrix) for matrix in matrices)
  cells = np.zeros((len(matrices), frames, frames), np.float32)
  for padded, matrix in zip(cells, matrices, strict=True):
    padded[: len(matrix), : len(matrix)] = matrix
  whole = np.rint(cells * _PARTS).astype(np.int32) * _CELLS - 1
  # Pieces last: rows of the slices that `_fitness` takes lie in one stretch.
  sums = np.zeros((frames + 1, frames + 1, len(matrices)), np.int32)
  sums[1:, 1:] = whole.transpose(1, 2, 0)
  for row in range(1, frames):
    sums[row + 1, 1:] += sums[row, :-1]
  return sums


def _fitness(
  prefix: np.ndarray, length: int, sizes: np.ndarray, room: np.ndarray
) -> np.ndarray:
  """Fitness [S, P] of the segments of one length; padding scores 0."""
  rows, _, pieces = prefix.shape
  starts = rows - length
  best = room.reshape(-1)[: rows * starts * pieces]
  best = best.reshape(rows, starts, pieces)
  best[:length] = 0
  # best[r]: of families within the first r rows; first, of the path that ends
  # there alone.
  np.subtract(
    prefix[length:, length:], prefix[:-length, :-length], out=best[length:]
  )
  for row in range(length, rows):
    here = best[row]
    if row >= 2 * length:
      here += best[row - length]
    np.maximum(here, best[row - 1], out=here)
  # Not the last row: a path may reach into a piece's padding.
  total = best[sizes, :, np.arange(pieces)].T
  cells = -total % _CELLS
  score = (total + cells) / (_CELLS * _PARTS) - length
  covered = cells - length
  inside = np.arange(starts)[:, None] + length <= sizes[None]
  good = inside & (score > 0) & (covered > 0)
  score = np.where(good, score / np.maximum(cells, 1), 1)
  coverage = np.where(good, covered / np.maximum(sizes, 1)[None], 1)
  return np.where(good, 2 * score * coverage / (score + coverage), 0)
