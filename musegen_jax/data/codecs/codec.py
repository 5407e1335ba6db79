"""What a codec is: a vocabulary table, two inverse functions and a grammar.

A codec is one file beside this one that defines `CODEC`; nothing else has to
change for a new one. Letters used in shapes: V vocabulary, N tokens.
"""

import dataclasses
import functools
import hashlib
import importlib
import json
import pkgutil
from collections.abc import Callable

import numpy as np

from musegen_jax.data import codecs
from musegen_jax.data.notes import Piece
from musegen_jax.errors import UserError

SPECIAL = ("begin", "end", "pad")


class Unencodable(Exception):
  """This piece has nothing the codec can say; the message is the reason."""


@dataclasses.dataclass(frozen=True)
class Line:
  """One part of a piece as a codec on a grid hears it.

  Attributes:
    track: number of the part in the piece; -1 where several are merged.
    notes: [N] of NOTE, sorted by start_tick, at least one.
  """

  track: int
  notes: np.ndarray


@dataclasses.dataclass(frozen=True)
class Grid:
  """How a codec on a metrical grid reads bars.

  Attributes:
    steps_per_beat: steps in a quarter note.
    bar_steps: slots a bar takes in a window; shorter bars are filled up with
      pad.
    lines: (piece) -> the usable lines, best first, and the reason for each
      part that is left out, by `part_name`. Never raises.
    quantise: (notes, start_tick, ticks_per_step, steps) -> int16 [steps]: what
      the notes of a line that begin at start_tick or later say.
  """

  steps_per_beat: int
  bar_steps: int
  lines: Callable[[Piece], tuple[list[Line], dict[str, str]]]
  quantise: Callable[[np.ndarray, float, float, int], np.ndarray]


def part_name(notes: np.ndarray) -> str:
  """What messages call the part that notes [N] belong to."""
  return f"track {notes['track'][0]} (program {notes['program'][0]})"


@dataclasses.dataclass(frozen=True)
class Field:
  """One kind of event: values low..high, one token each.

  Attributes:
    name: what the value is.
    low: first value, inclusive.
    high: last value, inclusive.
    is_pitch: whether transposition adds to the value.
  """

  name: str
  low: int
  high: int
  is_pitch: bool = False


@dataclasses.dataclass(frozen=True)
class Grammar:
  """What each token does, so that any sequence can be kept well-formed.

  Attributes:
    opens: [V] int32, pitch that starts to sound, or -1.
    closes: [V] int32, pitch that stops sounding, or -1; -2 stops whatever
      sounds.
    steps: [V] int32, time steps that pass.
    note_counts: [V] int32, notes that a token begins.
    monophonic: an opened note closes the one before, `end` closes the last.
    holds: [V] int32, pitch that sounds on, or -1; None for codecs whose notes
      sound until they are closed. Where there are holds, time is said in
      frames: the pitches that sound, from low to high, each once, then a step,
      which stops every pitch that its frame neither opened nor held.
    voices: tokens of a row of the score, one for each voice in turn, that
      opens, closes or goes on in this voice alone. Above 1 every token but the
      specials is a step.
  """

  opens: np.ndarray
  closes: np.ndarray
  steps: np.ndarray
  note_counts: np.ndarray
  monophonic: bool
  holds: np.ndarray | None = None
  voices: int = 1


@dataclasses.dataclass(frozen=True)
class Codec:
  """Notes to tokens and back.

  Attributes:
    name: the file's name.
    fields: the vocabulary table; token ids are its cumulative sums, followed
      by the tokens begin, end and pad.
    seconds_per_step: length of the time step, at 120 beats a minute for
      codecs on a metrical grid.
    encode: (piece, stretch) -> int16 [N], without begin and end; `stretch`
      multiplies all times (1.0 for codecs on a metrical grid). Raises
      Unencodable.
    decode: int16 [N] -> Piece; specials and senseless tokens are skipped.
    stretchable: whether `stretch` changes anything.
    make_grammar: (codec) -> Grammar.
    grid: how it reads bars; None where the codec knows none.
    on_grid: (steps in a quarter note) -> the same codec on that grid; None
      where it has only its own.
    cycle: tokens after which the metre is where it was, so that the number of
      a token tells a model its place; 0 where it tells nothing.
  """

  name: str
  fields: tuple[Field, ...]
  seconds_per_step: float
  encode: Callable[[Piece, float], np.ndarray]
  decode: Callable[[np.ndarray], Piece]
  stretchable: bool
  make_grammar: Callable[["Codec"], Grammar]
  grid: Grid | None = None
  on_grid: Callable[[int], "Codec"] | None = None
  cycle: int = 0

  @functools.cached_property
  def offsets(self) -> dict[str, int]:
    """First token id of each field, and the ids of begin, end and pad."""
    offsets, total = {}, 0
    for field in self.fields:
      offsets[field.name] = total
      total += field.high - field.low + 1
    return offsets | {name: total + i for i, name in enumerate(SPECIAL)}

  @property
  def vocab_size(self) -> int:
    """Number of tokens, specials included."""
    return self.offsets["pad"] + 1

  @property
  def begin(self) -> int:
    """Token before the first event of a piece."""
    return self.offsets["begin"]

  @property
  def end(self) -> int:
    """Token after the last event of a piece."""
    return self.offsets["end"]

  @property
  def pad(self) -> int:
    """Token that fills up batches; never scored, never sampled."""
    return self.offsets["pad"]

  @functools.cached_property
  def predictable(self) -> np.ndarray:
    """bool [V], false for begin and pad, which no model has to predict."""
    mask = np.ones(self.vocab_size, bool)
    mask[[self.begin, self.pad]] = False
    return mask

  @functools.cached_property
  def is_pitch(self) -> np.ndarray:
    """bool [V], true where transposition moves the token."""
    mask = np.zeros(self.vocab_size, bool)
    for field in self.fields:
      if field.is_pitch:
        first = self.offsets[field.name]
        mask[first : first + field.high - field.low + 1] = True
    return mask

  @functools.cached_property
  def grammar(self) -> Grammar:
    """The table of what each token does."""
    return self.make_grammar(self)

  @functools.cached_property
  def vocabulary_hash(self) -> str:
    """Changes whenever a token would mean something else."""
    table = [dataclasses.astuple(field) for field in self.fields]
    text = json.dumps([self.name, table, self.seconds_per_step])
    return hashlib.sha256(text.encode()).hexdigest()[:16]

  def shift_bounds(self, tokens: np.ndarray) -> tuple[int, int]:
    """Lowest and highest transposition (semitones) that keeps every pitch of
    tokens [N] inside its field; (0, 0) where there is no pitch."""
    low, high = -127, 127
    for field in self.fields:
      if field.is_pitch:
        values = tokens - self.offsets[field.name] + field.low
        values = values[(values >= field.low) & (values <= field.high)]
        if len(values):
          low = max(low, field.low - int(values.min()))
          high = min(high, field.high - int(values.max()))
    return (low, high) if self.is_pitch[tokens].any() else (0, 0)

  def transpose(self, tokens: np.ndarray, semitones: int) -> np.ndarray:
    """Moves every pitch of tokens [N]; raises ValueError where one would
    leave its field."""
    low, high = self.shift_bounds(tokens)
    if not low <= semitones <= high and self.is_pitch[tokens].any():
      raise ValueError(f"shift {semitones} is outside {low}..{high}")
    moved = tokens + semitones * self.is_pitch[tokens]
    return moved.astype(np.int16)

  def framed(self, tokens: np.ndarray) -> np.ndarray:
    """int16 [N + 2]: begin, the tokens, end."""
    return np.concatenate([[self.begin], tokens, [self.end]]).astype(np.int16)

  def note_count(self, tokens: np.ndarray) -> int:
    """Number of notes that tokens [N] start."""
    return int(self.grammar.note_counts[tokens].sum())

  def duration_seconds(self, tokens: np.ndarray) -> float:
    """Seconds that tokens [N] take, on the codec's own time grid."""
    return float(self.grammar.steps[tokens].sum() * self.seconds_per_step)

  def table(self) -> str:
    """The vocabulary as text, a line a field."""
    lines = []
    for field in self.fields:
      first = self.offsets[field.name]
      last = first + field.high - field.low
      lines.append(
        f"{first:4d}-{last:<4d} {field.name} {field.low}..{field.high}"
      )
    lines += [f"{self.offsets[name]:4d}      {name}" for name in SPECIAL]
    return "\n".join(lines)


def names() -> list[str]:
  """Names of the codecs there are: the files in this folder."""
  modules = [module.name for module in pkgutil.iter_modules(codecs.__path__)]
  return sorted(set(modules) - {"codec", "__main__"})


def load(name: str) -> Codec:
  """The codec of that name; raises UserError naming the choices."""
  if name not in names():
    raise UserError(
      f"no codec named {name!r}; choose from {', '.join(names())}"
    )
  return importlib.import_module(f"{codecs.__name__}.{name}").CODEC


def of(name: str, steps_per_beat: int) -> Codec:
  """The codec that the fields `codec` and `steps_per_beat` of config.Data say.

  Raises UserError as `load` does, and for a grid where the codec's is fixed.
  """
  codec = load(name)
  if not steps_per_beat:
    return codec
  if codec.on_grid is None:
    raise UserError(
      f"codec {name!r} has a fixed time step: leave"
      f" --config.data.steps_per_beat={steps_per_beat} out"
    )
  return codec.on_grid(steps_per_beat)
