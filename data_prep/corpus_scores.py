"""Reads a piece of music21's corpus into a note table.

Left out: repeats are not expanded (each section is heard once, and music21's
own expansion fails on malformed repeats), grace notes, chord symbols, dynamics
and instruments (every part has program 0 and velocity 80). A piece that starts
with a pickup gets rests in front, so that bars start where its meter says.
"""

import contextlib
import io
from collections.abc import Iterator
from fractions import Fraction
from typing import Any

import numpy as np

from data_prep.corpus_sources import Source, load_music21
from musegen_jax.data import notes

TICKS_PER_BEAT = 480
MAX_MICROSECONDS_PER_BEAT = 0xFFFFFF  # what a MIDI tempo event can hold
MIDI_DENOMINATORS = (1, 2, 4, 8, 16, 32, 64, 128)
VOICES = ("soprano", "alto", "tenor", "bass")


class UnusableError(Exception):
  """A piece that gives no MIDI file; the message is the reason."""


def read_piece(source: Source) -> notes.Piece:
  """Parses a piece; track k is its k-th part, velocities are 80, programs 0.

  Tied notes are one note. Of notes that start together on one pitch of a part
  only the longest stays. Raises UnusableError with a reason that starts with
  its kind, then a colon and details.
  """
  load_music21()
  from music21 import converter

  reader = converter.Converter()
  try:
    # music21 prints warnings on stderr, in the middle of the progress bar.
    with contextlib.redirect_stderr(io.StringIO()):
      if source.text:
        reader.parseData(source.text, format="abc")
      else:
        reader.parseFileNoPickle(source.file)
  except Exception as error:  # music21's readers raise errors of any type
    detail = " ".join(f"{type(error).__name__} {error}".split())
    raise UnusableError(f"music21 cannot read it: {detail}") from error
  parts = _parts(reader.stream)
  if source.corpus == "bach":
    parts = four_voices(parts)
  piece = to_piece(parts)
  if not len(piece.notes):
    raise UnusableError("no notes")
  return piece


def _parts(stream: Any) -> list[Any]:
  # An ABC file of the renaissance has one score for each voice of the piece.
  scores = list(stream.scores) if "Opus" in stream.classes else [stream]
  return [part for score in scores for part in score.parts or [score]]


def four_voices(parts: list[Any]) -> list[Any]:
  """Keeps the four voices of a chorale, without instruments beside them."""
  if len(parts) == 4:
    return parts
  names = [(part.partName or "").lower() for part in parts]
  voices = [
    part
    for part, name in zip(parts, names, strict=True)
    if name.startswith(VOICES)
  ]
  if len(voices) != 4:
    raise UnusableError(f"not a four-part chorale: {len(parts)} parts")
  return voices


def to_piece(parts: list[Any]) -> notes.Piece:
  """Turns music21 parts into a Piece; the first part gives the meters."""
  events = [
    sorted(_walk(part, 0), key=lambda event: event[0]) for part in parts
  ]
  lead_ticks = _ticks(_pickup_rest(parts[0]))
  rows = [
    (start_tick, end_tick, pitch, track)
    for track, part_events in enumerate(events)
    for start_tick, end_tick, pitch in _spans(part_events)
  ]
  start, end, pitch, track = np.array(rows, np.int64).reshape(-1, 4).T
  return notes.Piece(
    ticks_per_beat=TICKS_PER_BEAT,
    notes=notes.make_notes(start + lead_ticks, end - start, pitch, track=track),
    tempos=_tempos([event for part in events for event in part], lead_ticks),
    meters=_meters(events[0], lead_ticks),
  )


def _walk(stream: Any, start: Fraction | float) -> Iterator[tuple[float, Any]]:
  # Faster than flatten(), which copies the stream.
  for element in stream:
    offset = start + stream.elementOffset(element)
    if element.isStream:
      yield from _walk(element, offset)
    else:
      yield offset, element


def _ticks(beats: Fraction | float) -> int:
  return round(beats * TICKS_PER_BEAT)


def _pickup_rest(part: Any) -> float:
  first = part.getElementsByClass("Measure").first()
  return first.paddingLeft if first is not None else 0


def _spans(events: list[tuple[float, Any]]) -> list[tuple[int, int, int]]:
  end_ticks: dict[tuple[int, int], int] = {}  # by (start tick, pitch)
  tied: dict[int, tuple[int, int]] = {}  # pitch -> its key in end_ticks
  for offset, element in events:
    if "NotRest" not in element.classes:
      continue
    start, end = _ticks(offset), _ticks(offset + element.quarterLength)
    if end <= start:  # a grace note or a chord symbol
      continue
    for note in getattr(element, "notes", [element]):
      if "Note" not in note.classes:  # unpitched percussion
        continue
      pitch = note.pitch.midi
      tie = note.tie.type if note.tie else ""
      key = tied.pop(pitch, None)
      # Some ties lead to another pitch or past a rest: these are slurs.
      if tie not in ("stop", "continue") or end_ticks.get(key) != start:
        key = (start, pitch)
      end_ticks[key] = max(end, end_ticks.get(key, 0))
      if tie in ("start", "continue"):
        tied[pitch] = key
  return [(start, end, pitch) for (start, pitch), end in end_ticks.items()]


def _tempos(events: list[tuple[float, Any]], lead_ticks: int) -> np.ndarray:
  tempos: dict[int, int] = {}
  for offset, element in events:
    if "MetronomeMark" not in element.classes:
      continue
    beats_per_minute = element.getQuarterBPM()
    if not beats_per_minute:
      continue
    microseconds = round(60e6 / beats_per_minute)
    if 0 < microseconds <= MAX_MICROSECONDS_PER_BEAT:
      tick = _ticks(offset) + lead_ticks if offset else 0
      tempos.setdefault(tick, microseconds)
  return np.array(sorted(tempos.items()), notes.TEMPO)


def _meters(events: list[tuple[float, Any]], lead_ticks: int) -> np.ndarray:
  meters: list[tuple[int, int, int]] = []
  for offset, element in events:
    if "TimeSignature" not in element.classes:
      continue
    meter = (element.numerator, element.denominator)
    if meter[0] > 255 or meter[1] not in MIDI_DENOMINATORS:
      raise UnusableError(f"a meter MIDI cannot hold: {meter[0]}/{meter[1]}")
    if meters and meters[-1][1:] == meter:
      continue
    tick = _ticks(offset) + lead_ticks if offset else 0
    meters.append((tick, *meter))
  return np.array(meters, notes.METER)
