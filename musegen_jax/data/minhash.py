"""Finds pieces that are the same music: MinHash of their note n-grams.

What is compared does not change when a piece is transposed, played at another
tempo or written with other ticks per beat. The sets are compared as in Broder,
"On the resemblance and containment of documents" (1997); candidates come from
locality-sensitive hashing in bands (Leskovec, Rajaraman and Ullman, "Mining of
Massive Datasets", section 3.4).

Letters used in shapes: P pieces, N notes, K = 128 permutations.
"""

import numpy as np

from musegen_jax.data import notes as notes_lib

PERMUTATIONS = 128
BANDS = 32
ROWS = PERMUTATIONS // BANDS
MIN_JACCARD = 0.6
NGRAM = 6
# A gap of a bar of 4/4 or more counts as one bar, in sixteenths.
MAX_GAP = 16
# Two pieces with few distinct n-grams share most of them by chance (a drum
# fill, a scale): below this they are compared note by note instead.
MIN_NGRAMS = 16
# In a bucket of many pieces each is compared with this many neighbours.
MAX_NEIGHBOURS = 64

_PAIRS_AT_ONCE = 4096
_NGRAMS_AT_ONCE = 512  # 128 x 512 uint64 stay in the cache
_FACTOR = np.uint64(0x9E3779B97F4A7C15)


def signature(piece: notes_lib.Piece) -> np.ndarray:
  """MinHash signature [K] (uint32) of a piece's notes.

  Each n-gram is six successive steps of (interval, gap between onsets in
  sixteenths, at most a bar); intervals are mod 12, of drums whole. Drums form
  a sequence of their own, since transposing leaves them alone. A piece with
  fewer than MIN_NGRAMS distinct n-grams gets a signature that only a piece
  with the same onsets, durations (in 24ths of a beat) and relative pitches
  has.
  """
  notes, ticks_per_beat = piece.notes, piece.ticks_per_beat
  drums = notes["is_drum"]
  pitched = _ngrams(notes[~drums], ticks_per_beat, modulus=12)
  beaten = _ngrams(notes[drums], ticks_per_beat, modulus=256)
  elements = np.unique(np.concatenate([pitched, mix(beaten)]))
  if len(elements) < MIN_NGRAMS:
    elements = _whole(notes, ticks_per_beat)
  return _minhash(elements)


def jaccard(left: np.ndarray, right: np.ndarray) -> np.ndarray:
  """Estimated Jaccard similarity [...] of signatures [..., K]."""
  return (left == right).mean(-1)


def cluster(signatures: np.ndarray) -> np.ndarray:
  """Joins pieces whose estimated Jaccard similarity is MIN_JACCARD or more.

  Args:
    signatures: [P, K] uint32; beside them some 70 bytes a piece are used.

  Returns:
    Cluster ids [P] (int64): the smallest index in the piece's cluster.
  """
  roots = np.arange(len(signatures), dtype=np.int64)
  for band in range(BANDS if len(signatures) > 1 else 0):
    keys = _band_keys(signatures, band)
    # Ties go by the next band: the most similar stand side by side.
    order = np.lexsort((_band_keys(signatures, (band + 1) % BANDS), keys))
    keys = keys[order]
    for step in range(1, min(MAX_NEIGHBOURS + 1, len(keys))):
      near = np.flatnonzero(keys[step:] == keys[:-step])
      if not len(near):
        break
      left, right = order[near], order[near + step]
      apart = roots[left] != roots[right]
      left, right = left[apart], right[apart]
      same = _similar(signatures, left, right)
      roots = join(roots, left[same], right[same])
  return roots


def representatives(
  signatures: np.ndarray, clusters: np.ndarray, order: np.ndarray
) -> np.ndarray:
  """Picks the pieces that stand for all of their cluster.

  A cluster is a chain: its ends need not be alike. So the first piece stands
  for those directly similar to it, the first of what is left for those similar
  to that one, and so on: nobody is represented by different music.

  Args:
    signatures: [P, K] uint32.
    clusters: [P] ids as `cluster` gives them.
    order: [P] indices of all pieces, the best of each cluster first.

  Returns:
    [P] int64: the index of the representative; of itself where it is one.
  """
  chosen = np.arange(len(clusters), dtype=np.int64)
  sizes = np.bincount(clusters, minlength=len(clusters))
  left = order[sizes[clusters[order]] > 1]
  left = left[np.argsort(clusters[left], kind="stable")]
  while len(left):
    ids = clusters[left]
    first = np.concatenate([[True], ids[1:] != ids[:-1]])
    leader = left[first][np.cumsum(first) - 1]
    same = _similar(signatures, leader, left)
    chosen[left[same]] = leader[same]
    left = left[~same]
  return chosen


def join(roots: np.ndarray, left: np.ndarray, right: np.ndarray) -> np.ndarray:
  """Union-find over whole arrays: joins the groups of each (left, right) pair.

  Args:
    roots: [P] int64, the smallest index of the group each element is in.
    left: [E] element indices.
    right: [E] element indices.

  Returns:
    New roots [P]; `roots` is left as it is.
  """
  roots = roots.copy()
  while len(left):
    low = np.minimum(roots[left], roots[right])
    high = np.maximum(roots[left], roots[right])
    np.minimum.at(roots, high, low)
    while True:
      further = roots[roots]
      if np.array_equal(further, roots):
        break
      roots = further
    apart = roots[left] != roots[right]
    left, right = left[apart], right[apart]
  return roots


def mix(values: np.ndarray) -> np.ndarray:
  """Scrambles uint64 values [...]: the finaliser of splitmix64."""
  values = np.asarray(values, np.uint64)
  values = (values ^ (values >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
  values = (values ^ (values >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
  return values ^ (values >> np.uint64(31))


def _grid(ticks: np.ndarray, ticks_per_beat: int, parts: int) -> np.ndarray:
  ticks = ticks.astype(np.int64)
  return (2 * parts * ticks + ticks_per_beat) // (2 * ticks_per_beat)


def _ngrams(notes: np.ndarray, ticks_per_beat: int, modulus: int) -> np.ndarray:
  grid = _grid(notes["start_tick"], ticks_per_beat, parts=4)
  order = np.lexsort((notes["pitch"], grid))
  intervals = np.diff(notes["pitch"][order].astype(np.int64)) % modulus
  gaps = np.minimum(np.diff(grid[order]), MAX_GAP)
  steps = mix(intervals * (MAX_GAP + 1) + gaps + 1)
  count = max(len(steps) - NGRAM + 1, 0)
  hashes = np.zeros(count, np.uint64)
  for place in range(NGRAM):
    hashes = hashes * _FACTOR + steps[place : place + count]
  return mix(hashes)


def _whole(notes: np.ndarray, ticks_per_beat: int) -> np.ndarray:
  drums = notes["is_drum"]
  pitches = notes["pitch"].astype(np.int64)
  if not drums.all():
    pitches[~drums] -= pitches[~drums].min()
  onsets = _grid(notes["start_tick"], ticks_per_beat, parts=24)
  durations = _grid(notes["duration_ticks"], ticks_per_beat, parts=24)
  hashes = np.zeros(len(notes), np.uint64)
  for column in (onsets - onsets.min(), durations, pitches, drums):
    hashes = mix(hashes * _FACTOR + column.astype(np.uint64))
  # A sum, so that notes struck together may come in any order.
  return mix(hashes.sum(dtype=np.uint64, keepdims=True))


def _minhash(elements: np.ndarray) -> np.ndarray:
  places = np.arange(1, 2 * PERMUTATIONS + 1, dtype=np.uint64)
  seeds = mix(places * _FACTOR)
  factors = (seeds[:PERMUTATIONS] | np.uint64(1))[:, None]
  offsets = seeds[PERMUTATIONS:][:, None]
  low = np.full(PERMUTATIONS, np.iinfo(np.uint64).max, np.uint64)
  for start in range(0, len(elements), _NGRAMS_AT_ONCE):
    part = elements[start : start + _NGRAMS_AT_ONCE]
    low = np.minimum(low, (part * factors + offsets).min(1))
  return (low >> np.uint64(32)).astype(np.uint32)


def _band_keys(signatures: np.ndarray, band: int) -> np.ndarray:
  part = signatures[:, band * ROWS : (band + 1) * ROWS]
  keys = np.zeros(len(part), np.uint64)
  for row in range(ROWS):
    keys = mix(keys * _FACTOR + part[:, row])
  return keys


def _similar(
  signatures: np.ndarray,
  left: np.ndarray,
  right: np.ndarray,
) -> np.ndarray:
  similar = np.zeros(len(left), bool)
  for start in range(0, len(left), _PAIRS_AT_ONCE):
    some = slice(start, start + _PAIRS_AT_ONCE)
    estimate = jaccard(signatures[left[some]], signatures[right[some]])
    similar[some] = estimate >= MIN_JACCARD
  return similar
