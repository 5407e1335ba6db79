"""Windows of whole bars of one length, cut from pieces and from splits.

For models that see a fixed number of steps. Codecs without a grid give
consecutive stretches of tokens instead. Letters: W windows, T steps a window.
"""

import collections
import dataclasses
from typing import NamedTuple

import numpy as np
import tqdm

from musegen_jax.data import bars as bars_lib
from musegen_jax.data import notes, shards, token_cache
from musegen_jax.data.codecs.codec import Codec, Line, Unencodable, part_name
from musegen_jax.errors import UserError

# More than any file within the reader's limits says at a playable tempo.
MAX_STEPS = 1 << 20
SHORT = "shorter than a window"
BEYOND_LIMIT = "beyond the limit a piece"


@dataclasses.dataclass(frozen=True)
class Windows:
  """Windows of one split: whole bars of one length.

  Attributes:
    tokens: int16 [W, T]; slots beyond a bar's length hold pad.
    piece: int32 [W], index into rows.
    bar: int32 [W], number of the window's first bar in its piece, from 0; for
      codecs without a grid the number of the window.
    track: int32 [W], the part; -1 merged or no grid.
    rows: metadata of each piece that has a window, as `shards.Dataset.rows`.
    skipped: what was left out, by reason: "piece: ...", "part: ..." or
      "window: ...".
  """

  tokens: np.ndarray
  piece: np.ndarray
  bar: np.ndarray
  track: np.ndarray
  rows: list[dict]
  skipped: dict[str, int]

  def __len__(self) -> int:
    return len(self.tokens)


class Window(NamedTuple):
  """One window of a piece: tokens int16 [T], its first bar, its part."""

  tokens: np.ndarray
  bar: int
  track: int


@dataclasses.dataclass(frozen=True)
class Cut:
  """What `cut` made of a piece.

  Attributes:
    windows: best part first, then by bar.
    skipped: as in `Windows`.
    left_out: why a part gave no window, by the part's name.
  """

  windows: list[Window]
  skipped: collections.Counter
  left_out: dict[str, str]


def mask(tokens: np.ndarray, codec: Codec) -> np.ndarray:
  """bool, the shape of tokens: true where a bar has a step."""
  return tokens != codec.pad


def decoder_inputs(tokens: np.ndarray, codec: Codec) -> np.ndarray:
  """int32 [W, T]: begin, and then the tokens [W, T] but the last."""
  inputs = np.roll(tokens.astype(np.int32), 1, axis=1)
  inputs[:, 0] = codec.begin
  return inputs


def cut(
  piece: notes.Piece,
  codec: Codec,
  length: int,
  *,
  stride_bars: int = 1,
  limit: int = 0,
  keep_all: bool = False,
) -> Cut:
  """Cuts one piece into windows.

  Args:
    piece: with its meters (4/4 where there are none).
    codec: on a grid or not.
    length: T; see `check_length`.
    stride_bars: bars from one window to the next, on a grid.
    limit: most windows a piece, spread evenly; 0 for all.
    keep_all: keeps repeats and sparse windows too, and completes the last
      window with silent bars; a window has at least one onset all the same.

  Raises UserError for an impossible length.
  """
  check_length(codec, length)
  if codec.grid is None:
    return _cut_stream(piece, codec, length, limit)
  lines, left_out = codec.grid.lines(piece)
  skipped = collections.Counter(f"part: {why}" for why in left_out.values())
  bars = length // codec.grid.bar_steps
  runs = bars_lib.runs(piece, codec.grid)
  windows, earlier = [], set()
  for line in lines:
    found, reasons = [], collections.Counter()
    for run in runs:
      found += _cut_run(
        piece, line, run, codec, bars, stride_bars, keep_all, reasons
      )
    if not keep_all:
      found = _without_repeats(found, earlier, reasons)
    if not found:
      left_out[_name(line)] = reasons.most_common(1)[0][0]
    windows += found
    skipped.update({f"window: {why}": n for why, n in reasons.items()})
  kept = _spread(windows, limit, skipped)
  for line in lines if len(kept) < len(windows) else ():
    if not any(window.track == line.track for window in kept):
      left_out.setdefault(_name(line), BEYOND_LIMIT)
  if not kept:
    skipped["piece: no window" if lines else "piece: no usable part"] += 1
  return Cut(kept, +skipped, left_out)


def encode_split(
  dataset: shards.Dataset, split: str, codec: Codec, length: int, limit: int
) -> Windows:
  """Cuts every piece of one split; see `cut` for length T and limit.

  The arrays are read-only, and kept beside the data set. Raises UserError when
  nothing is left, and for an impossible length.
  """
  check_length(codec, length)
  found = token_cache.cached(
    _cut_split, dataset, split, codec, length=length, limit=limit
  )
  rows = found.rows(dataset.split(split))
  return Windows(**found.arrays, rows=rows, skipped=found.skipped)


def _cut_split(
  dataset: shards.Dataset, split: str, codec: Codec, length: int, limit: int
) -> token_cache.Encoded:
  tokens, places, numbers, skipped = [], [], [], collections.Counter()
  chosen = dataset.split(split)
  progress = tqdm.tqdm(chosen, f"cut {split}", unit=" pieces", delay=2)
  for number, row in enumerate(progress):
    found = cut(dataset.load(row), codec, length, limit=limit)
    skipped += found.skipped
    if found.windows:
      # A copy, as the windows are views that keep the dropped ones alive.
      tokens.append(np.stack([window.tokens for window in found.windows]))
      places += [(len(numbers), w.bar, w.track) for w in found.windows]
      numbers.append(number)
  if not numbers:
    reasons = ", ".join(f"{why}: {n}" for why, n in skipped.most_common())
    raise UserError(
      f"split {split!r} has no window of {length} steps for codec"
      f" {codec.name!r} ({reasons or 'the split is empty'}); add MIDI or take"
      " shorter windows"
    )
  piece, bar, track = np.array(places, np.int32).T
  arrays = {"piece": piece, "bar": bar, "track": track}
  arrays["tokens"] = np.concatenate(tokens)
  return token_cache.Encoded(arrays, np.array(numbers), dict(skipped))


def check_length(codec: Codec, length: int) -> None:
  """Raises UserError unless windows of `length` steps hold whole bars, or
  cycles of the metre where the codec knows no bars."""
  # Windows are read from the first place of the cycle on.
  unit = codec.grid.bar_steps if codec.grid else max(1, codec.cycle)
  if length < 1 or length % unit:
    raise UserError(
      f"a window of {length} steps: codec {codec.name!r} needs a positive"
      f" multiple of {unit}"
    )


def _name(line: Line) -> str:
  return "drums" if line.track < 0 else part_name(line.notes)


def _cut_run(
  piece: notes.Piece,
  line: Line,
  run: bars_lib.Run,
  codec: Codec,
  bars: int,
  stride_bars: int,
  keep_all: bool,
  reasons: collections.Counter,
) -> list[Window]:
  """Windows of one line within one run; counts those it drops."""
  grid = codec.grid
  missing = 0
  if keep_all:
    beyond = run.bars - bars  # what the last window must reach
    missing = -beyond if beyond < 0 else -beyond % stride_bars
  firsts = np.arange(0, run.bars + missing - bars + 1, stride_bars)
  if not run.bar_steps or run.bars * run.bar_steps > MAX_STEPS:
    limit = f"bars longer than {grid.bar_steps} steps or off the grid"
    reason = f"more than {MAX_STEPS} steps" if run.bar_steps else limit
    reasons[reason] += max(1, len(firsts))
    return []
  if not len(firsts):
    reasons[SHORT] += 1
    return []
  ticks_per_step = piece.ticks_per_beat / grid.steps_per_beat
  steps = run.bars * run.bar_steps
  tokens = grid.quantise(line.notes, run.start_tick, ticks_per_step, steps)
  silence = np.full(missing * run.bar_steps, _nothing(codec), np.int16)
  silence[:1] = _end_of_note(codec)
  tokens = np.append(tokens, silence).reshape(-1, run.bar_steps)
  slots = np.full((len(tokens), grid.bar_steps), codec.pad, np.int16)
  slots[:, : run.bar_steps] = tokens
  rows = slots[firsts[:, None] + np.arange(bars)].reshape(len(firsts), -1)
  onsets = codec.grammar.opens[rows] >= 0
  # A note that began before the window is not in it, nor is its end.
  ends = codec.grammar.closes[rows] == -2
  rows[ends & ~np.logical_or.accumulate(onsets, axis=1)] = _nothing(codec)
  window_ticks = run.bar_steps * ticks_per_step * np.array([[0], [bars]])
  bar_ticks = run.bar_steps * ticks_per_step * firsts
  steady = bars_lib.steady(piece, run.start_tick + bar_ticks + window_ticks)
  dense = onsets.sum(axis=1) >= (1 if keep_all else bars)
  reasons["tempo change"] += int((~steady).sum())
  reasons["nearly silent"] += int((steady & ~dense).sum())
  return [
    Window(rows[i], run.first_bar + int(firsts[i]), line.track)
    for i in (steady & dense).nonzero()[0]
  ]


def _nothing(codec: Codec) -> int:
  """The token that lets a step pass and does nothing else."""
  grammar = codec.grammar
  idle = (grammar.opens < 0) & (grammar.closes == -1)
  return int((idle & (grammar.steps == 1)).argmax())


def _end_of_note(codec: Codec) -> int:
  """The token that ends whatever sounds, or the idle one where none does."""
  ends = codec.grammar.closes == -2
  return int(ends.argmax()) if ends.any() else _nothing(codec)


def _without_repeats(
  windows: list[Window], earlier: set[bytes], reasons: collections.Counter
) -> list[Window]:
  kept = []
  for window in windows:
    said = window.tokens.tobytes()
    if said not in earlier:
      earlier.add(said)
      kept.append(window)
  reasons["repeats an earlier one"] += len(windows) - len(kept)
  return kept


def _spread(
  windows: list[Window], limit: int, skipped: collections.Counter
) -> list[Window]:
  """At most `limit` windows, evenly spread; counts the others."""
  total = len(windows)
  if not 0 < limit < total:
    return windows
  skipped[f"window: {BEYOND_LIMIT}"] += total - limit
  middles = (2 * np.arange(limit) + 1) * total // (2 * limit)
  return [windows[i] for i in middles]


def _cut_stream(
  piece: notes.Piece, codec: Codec, length: int, limit: int
) -> Cut:
  """Consecutive windows of a codec without bars."""
  skipped = collections.Counter()
  try:
    tokens = codec.encode(piece, 1.0)
  except Unencodable as reason:
    skipped[f"piece: {reason}"] += 1
    return Cut([], skipped, {"all parts": str(reason)})
  count, rest = divmod(len(tokens), length)
  rows = tokens[: count * length].reshape(count, length)
  windows = [Window(row, number, -1) for number, row in enumerate(rows)]
  skipped[f"window: {SHORT}"] += rest > 0
  kept = _spread(windows, limit, skipped)
  skipped["piece: no window"] += not kept
  return Cut(kept, +skipped, {} if kept else {"all parts": SHORT})
