"""How all music of a comparison is heard: by one codec, at one length.

So that no system is told from another by what its codec cannot say. Letters: T
steps a window, N tokens.
"""

import dataclasses
from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
import tqdm

from musegen_jax import config as config_lib
from musegen_jax.data import notes, shards, windows
from musegen_jax.data.codecs import codec as codec_lib
from musegen_jax.data.codecs.codec import Codec
from musegen_jax.errors import UserError

# Where runs speak different codecs all music is heard by the first of these
# that one of them speaks: what says less comes first.
POOREST_FIRST = ("melody", "voices", "frames", "performance")

# Slow music; real performances say some 10 to 40 tokens a second.
SECONDS_PER_TOKEN = 0.25


class Excerpt(NamedTuple):
  """A stretch of music: what is heard, int16 tokens [N] without begin and end,
  and the number of the piece it is from."""

  piece: notes.Piece
  tokens: np.ndarray
  source: int


@dataclasses.dataclass(frozen=True)
class Hearing:
  """How music is heard.

  Attributes:
    codec: all music is said in it, and decoded again.
    window: T where excerpts are windows, 0 where they are the beginnings of
      pieces.
    seconds: length of an excerpt on the codec's time grid; where windows are so
      many tokens, however long, what is surely enough for one.
  """

  codec: Codec
  window: int
  seconds: float

  @property
  def unit(self) -> str:
    """What an excerpt is."""
    if not self.window:
      return f"the first {self.seconds:g} seconds of a piece"
    if not self.codec.grid:
      return f"windows of {self.window} tokens"
    bars = self.window // self.codec.grid.bar_steps
    return f"windows of {bars} bars, {self.seconds:g} seconds"

  def decode(self, tokens: np.ndarray) -> notes.Piece:
    """The piece that tokens [N] say, without what sounds after its end."""
    piece = self.codec.decode(tokens)
    ticks_per_second = 2 * piece.ticks_per_beat
    end = round(self.codec.duration_seconds(tokens) * ticks_per_second)
    table = piece.notes[piece.notes["start_tick"] < end]
    room = end - table["start_tick"]
    table["duration_ticks"] = np.minimum(table["duration_ticks"], room)
    return dataclasses.replace(piece, notes=table)

  def cut(self, piece: notes.Piece, keep_all: bool = False) -> list[np.ndarray]:
    """Tokens of every excerpt of a piece; none where it is too short.

    With `keep_all` what is too short or sparse counts too, windows of bars
    filled up with silence. Bars shorter than the codec's longest are left out:
    no model writes them unless it is told to.
    """
    if self.window and self.codec.grid:
      found = windows.cut(piece, self.codec, self.window, keep_all=keep_all)
      tokens = [window.tokens for window in found.windows]
      return [each for each in tokens if (each != self.codec.pad).all()]
    try:
      tokens = self.codec.encode(piece, 1.0)
    except codec_lib.Unencodable:
      return []
    if self.window:
      tokens = tokens[: self.window]
      return [tokens] if keep_all or len(tokens) == self.window else []
    steps = np.cumsum(self.codec.grammar.steps[tokens])
    longest = round(self.seconds / self.codec.seconds_per_step)
    # A step may be several units long, so that none ends where it should.
    if not len(steps) or (steps[-1] < longest and not keep_all):
      return []
    return [tokens[: int(np.searchsorted(steps, longest, side="right"))]]

  def stack(self, excerpts: list["Excerpt"]) -> np.ndarray:
    """Tokens of windows, int16 [W, T], pad where one is too short."""
    rows = np.full((len(excerpts), self.window), self.codec.pad, np.int16)
    for row, excerpt in zip(rows, excerpts, strict=True):
      row[: len(excerpt.tokens)] = excerpt.tokens
    return rows

  def excerpt(self, tokens: np.ndarray, source: int) -> Excerpt:
    """The excerpt that tokens [N] are."""
    return Excerpt(self.decode(tokens), tokens, source)


def of_config(config: config_lib.Config, seconds: float) -> Hearing:
  """As a run of that config hears; `seconds` where it hears whole pieces."""
  codec = codec_lib.of(config.data.codec, config.data.steps_per_beat)
  if config.data.unit != "window":
    return Hearing(codec, 0, seconds)
  window = config.train.window
  per_token = codec.seconds_per_step if codec.grid else SECONDS_PER_TOKEN
  return Hearing(codec, window, window * per_token)


def common(hearings: dict[str, Hearing]) -> Hearing:
  """What the runs of that name all can say.

  One codec where all speak it, else the poorest; the shortest excerpt. Raises
  UserError where there is none.
  """
  names = {each.codec.name for each in hearings.values()}
  if len(names) > 1 and "drums" in names:
    said = ", ".join(f"{n}: {h.codec.name}" for n, h in hearings.items())
    raise UserError(
      f"drums and pitches have nothing in common to compare ({said}): give runs"
      " of one kind"
    )
  known = [name for name in POOREST_FIRST if name in names] or sorted(names)
  same = [h for h in hearings.values() if h.codec.name == known[0]]
  # A window before a piece: the one can be cut from the other.
  return min(same, key=lambda h: (not h.window, h.window, h.seconds))


def of_split(
  dataset: shards.Dataset, split: str, hearing: Hearing, most: int, seed: int
) -> list[Excerpt]:
  """At most `most` excerpts of pieces of a split, each of another piece, pieces
  and places drawn by `seed`."""
  rows = dataset.split(split)
  rng = np.random.default_rng(seed)
  order, places = rng.permutation(len(rows)), rng.random(len(rows))
  excerpts = []
  bar = tqdm.tqdm(order, f"hear {split}", unit=" pieces", delay=2)
  for number in bar:
    if len(excerpts) == most:
      break
    found = hearing.cut(dataset.load(rows[number]))
    if found:
      tokens = found[int(places[number] * len(found))]
      excerpts.append(hearing.excerpt(tokens, int(number)))
  return excerpts


def of_pieces(pieces: Iterable[notes.Piece], hearing: Hearing) -> list[Excerpt]:
  """The first excerpt of each piece that has any, sparse ones too."""
  excerpts = []
  for number, piece in enumerate(pieces):
    found = hearing.cut(piece, keep_all=True)
    if found:
      excerpts.append(hearing.excerpt(found[0], number))
  return excerpts


def whole(
  dataset: shards.Dataset, split: str, hearing: Hearing
) -> list[notes.Piece]:
  """All pieces of a split as the codec hears them, from beginning to end."""
  pieces = []
  chosen = dataset.split(split)
  for row in tqdm.tqdm(chosen, f"read {split}", unit=" pieces", delay=2):
    try:
      tokens = hearing.codec.encode(dataset.load(row), 1.0)
    except codec_lib.Unencodable:
      continue
    pieces.append(hearing.decode(tokens))
  return pieces
