"""MIDI files to pieces and back; the only user of mido.

`smf` finds the tracks and rewrites those mido would misread, mido reads them,
`song` makes notes of their messages.
"""

import gc
import io
import os
import pathlib
from collections.abc import Iterator

import mido
import numpy as np

from musegen_jax.data import notes, smf, song
from musegen_jax.data.smf_events import (
  REASONS,
  SET_TEMPO,
  TIME_SIGNATURE,
  MidiRejected,
)
from musegen_jax.data.song import DEFAULT_LIMITS, Limits, Reading
from musegen_jax.errors import UserError

__all__ = [
  "REASONS",
  "Limits",
  "MidiRejected",
  "Reading",
  "read_midi",
  "to_bytes",
  "write_midi",
]
_CHANNELS = tuple(x for x in range(16) if x != song.DRUM_CHANNEL)
_LARGEST_DELTA = 0x0FFFFFFF


def read_midi(
  data: bytes, limits: Limits = DEFAULT_LIMITS, sustain: bool = True
) -> Reading:
  """Reads the bytes of a MIDI file.

  Args:
    data: the file; a RIFF wrapper or junk before the header may stay.
    limits: what the file may hold.
    sustain: whether notes sound on while the sustain pedal is down.

  Raises:
    MidiRejected: with one of REASONS; no input raises anything else.
  """
  chunks = smf.open_file(data, limits)
  # Messages refer to nothing cyclic, and the collector costs a tenth.
  collects = gc.isenabled()
  gc.disable()
  try:
    found = _song(chunks)
  finally:
    if collects:
      gc.enable()
  return song.to_reading(
    found, chunks.ticks_per_beat, chunks.repairs, limits, sustain
  )


def _song(chunks: smf.Smf) -> song.Song:
  try:
    tracks = _mido_tracks(chunks)
  except Exception:  # mido raises OSError, EOFError, ValueError, IndexError...
    smf.mend(chunks, everything=True)
    try:
      tracks = _mido_tracks(chunks)
    except Exception as error:
      detail = f"{type(error).__name__}: {error}"
      raise MidiRejected("unreadable", detail) from error
  found = song.Song(counts=chunks.counts)
  for track in tracks:
    song.add_track(found, _events(track))
  return found


def _mido_tracks(chunks: smf.Smf) -> list[mido.MidiTrack]:
  return mido.MidiFile(file=io.BytesIO(chunks.to_bytes())).tracks


def _events(track: mido.MidiTrack) -> Iterator[tuple[int, int, int, int]]:
  tick = 0
  for message in track:
    tick += message.time
    kind = message.type
    if kind == "note_on":
      yield tick, 0x90 | message.channel, message.note, message.velocity
    elif kind == "note_off":
      yield tick, 0x80 | message.channel, message.note, 0
    elif kind == "control_change":
      if message.control == song.SUSTAIN_CONTROL:
        yield tick, 0xB0 | message.channel, message.control, message.value
    elif kind == "program_change":
      yield tick, 0xC0 | message.channel, message.program, 0
    elif kind == "set_tempo":
      yield tick, SET_TEMPO, message.tempo, 0
    elif kind == "time_signature":
      yield tick, TIME_SIGNATURE, message.numerator, message.denominator


def to_bytes(piece: notes.Piece) -> bytes:
  """A type-1 MIDI file of `piece`; equal pieces give equal bytes.

  The first track holds tempos and meters, then follows one track per part:
  drums on channel index 9, the others on the rest in turn. `read_midi` gives
  the piece back where no two notes of a part overlap on one pitch (they pair
  first in, first out).

  Raises:
    UserError: the piece breaks `notes.check`, or its gap between two events is
      more than a MIDI file can hold.
  """
  notes.check(piece)
  file = mido.MidiFile(type=1, ticks_per_beat=piece.ticks_per_beat)
  file.tracks.append(_track(_conductor(piece)))
  channels = iter(np.resize(_CHANNELS, len(piece.notes) + 1).tolist())
  for number in np.unique(piece.notes["track"]):
    part = piece.notes[piece.notes["track"] == number]
    drum = bool(part["is_drum"][0])
    channel = song.DRUM_CHANNEL if drum else next(channels)
    file.tracks.append(_track(_part_messages(part, channel)))
  out = io.BytesIO()
  file.save(file=out)
  return out.getvalue()


def _conductor(piece: notes.Piece) -> list[tuple[int, mido.MetaMessage]]:
  timed = [
    (tick, mido.MetaMessage("set_tempo", tempo=tempo))
    for tick, tempo in piece.tempos.tolist()
  ]
  timed += [
    (
      tick,
      mido.MetaMessage(
        "time_signature", numerator=numerator, denominator=denominator
      ),
    )
    for tick, numerator, denominator in piece.meters.tolist()
  ]
  return sorted(timed, key=lambda pair: pair[0])


def _part_messages(
  part: np.ndarray, channel: int
) -> list[tuple[int, mido.Message]]:
  count = len(part)
  ticks = np.concatenate([notes.end_ticks(part), part["start_tick"]])
  # Ends stand first, and a stable sort keeps them so at equal ticks.
  order = np.argsort(ticks, kind="stable").tolist()
  pitches, velocities, programs = (
    part[name].tolist() for name in ("pitch", "velocity", "program")
  )
  ticks = ticks.tolist()
  timed = []
  program = None
  for index in order:
    note = index % count
    if index >= count and programs[note] != program:
      program = programs[note]
      message = mido.Message("program_change", channel=channel, program=program)
      timed.append((ticks[index] if timed else 0, message))
    timed.append(
      (
        ticks[index],
        mido.Message(
          "note_on" if index >= count else "note_off",
          channel=channel,
          note=pitches[note],
          velocity=velocities[note] if index >= count else 0,
        ),
      )
    )
  return timed


def _track(timed: list[tuple]) -> mido.MidiTrack:
  track = mido.MidiTrack()
  last = 0
  for tick, message in timed:
    if tick - last > _LARGEST_DELTA:
      raise UserError(
        f"{tick - last} ticks lie between two events; MIDI holds at most"
        f" {_LARGEST_DELTA}: shorten the gap or lower ticks_per_beat"
      )
    message.time = tick - last
    track.append(message)
    last = tick
  return track


def write_midi(piece: notes.Piece, path: str | os.PathLike) -> None:
  """Writes `to_bytes(piece)` to `path`, which is whole or not there."""
  path = pathlib.Path(path)
  temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
  try:
    with temporary.open("wb") as out:
      out.write(to_bytes(piece))
      out.flush()
      os.fsync(out.fileno())
    os.replace(temporary, path)
  finally:
    temporary.unlink(missing_ok=True)
