"""MIDI files that samples start from."""

import pathlib
from typing import NamedTuple

import numpy as np

from musegen_jax.data import midi, midi_folder, windows
from musegen_jax.data.codecs.codec import Codec
from musegen_jax.data.notes import Piece
from musegen_jax.errors import UserError


class Input(NamedTuple):
  """Windows of one file.

  Attributes:
    path: of the file.
    track: number of the part they are of; -1 where parts are merged.
    bars: the first bar of each window, from 0; its number where the codec
      knows no bars.
    tokens: int16 [W, T].
  """

  path: str
  track: int
  bars: list[int]
  tokens: np.ndarray

  def first(self) -> "Input":
    """The same with its first window alone."""
    return self._replace(bars=self.bars[:1], tokens=self.tokens[:1])

  def describe(self) -> dict:
    """What samples.json says of it."""
    return {"input": self.path, "track": self.track, "bars": self.bars}


def read_piece(flag: str, path: str) -> Piece:
  """The piece in a MIDI file; raises UserError with the flag's name."""
  try:
    return midi_folder.read_piece(pathlib.Path(path))
  except FileNotFoundError:
    raise UserError(f"--{flag}={path} does not exist") from None
  except OSError as error:
    reason = error.strerror or str(error)
    raise UserError(f"--{flag}={path} cannot be read: {reason}") from None
  except midi.MidiRejected as error:
    raise UserError(f"--{flag}={path} cannot be read: {error}") from None


def read_windows(
  path: str, codec: Codec, length: int, bar: int | None
) -> Input:
  """Windows of T = `length` steps of the best line of a MIDI file.

  Args:
    path: of the file.
    codec: what the line is said in.
    length: whole bars, for codecs that know them.
    bar: first bar of the only window to take, or None for all windows that
      follow each other from the start, gaps and all that has no note left out.

  Raises UserError that says of each part why it has no window.
  """
  grid, flag = codec.grid, f"--input={path}"
  bars = length // grid.bar_steps if grid else 1
  found = windows.cut(
    read_piece("input", path),
    codec,
    length,
    stride_bars=bars if bar is None else 1,
    keep_all=True,
  )
  if not found.windows:
    what = f"{bars} bars" if grid else f"{length} tokens"
    reasons = "; ".join(
      f"{part}: {why}" for part, why in found.left_out.items()
    )
    raise UserError(
      f"{flag} has no window of {what} that codec {codec.name!r} can say:"
      f" {reasons or 'it has no notes'}"
    )
  track = found.windows[0].track
  kept = [window for window in found.windows if window.track == track]
  if bar is not None:
    first, last = kept[0].bar, kept[-1].bar
    kept = [window for window in kept if window.bar == bar]
    if not kept:
      raise UserError(
        f"{flag} has no window that begins in --bar={bar}: its first begins in"
        f" bar {first}, its last in bar {last}"
      )
  tokens = np.stack([window.tokens for window in kept])
  return Input(path, track, [window.bar for window in kept], tokens)
