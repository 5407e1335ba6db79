"""The events of one MIDI track as bytes, and the repair of odd tracks.

Format: MIDI 1.0 Detailed Specification, "Standard MIDI Files 1.0" (RP-001).
"""

import collections
import re
from collections.abc import Iterator

REASONS = (
  "bad_chunk_length",  # a chunk swallows the track after it
  "bad_division",  # zero ticks per beat
  "bad_status",  # F4 F5 F9 FD, or running status with no status before
  "bad_vlq",  # a variable-length quantity of more than 4 bytes
  "no_notes",
  "not_midi",
  "smpte_division",  # ticks of seconds, not of beats
  "too_large",  # more bytes than the limit
  "too_long",  # more seconds than the limit, or ticks than int32 holds
  "too_many_notes",
  "too_many_tracks",
  "type_2",  # several independent tracks
  "unreadable",  # the reading library failed in a way not foreseen here
)

END_OF_TRACK = b"\xff\x2f\x00"
SET_TEMPO, TIME_SIGNATURE = 0x51, 0x58
_LARGEST_DELTA = 0x0FFFFFFF
# Well-formed meta events, by type and size; all others need the slow walk.
GOOD_META = (
  rb"\x00[\x00\x02]|[\x01-\x07\x09\x7f]|\x20\x01|\x21[\x00\x01]|\x51\x03"
  rb"|\x54\x05[\x00-\x7f][\x00-\x3b][\x00-\x3b].[\x00-\x63]"
  rb"|\x58\x04[\x01-\xff][\x00-\x07]"
  rb"|\x59\x02[\x00-\x07\xf9-\xff][\x00\x01]"
)
_META = re.compile(GOOD_META, re.S)
_KNOWN_META = frozenset(
  [*range(8), 0x09, 0x20, 0x21, 0x2F, 0x51, 0x54, 0x58, 0x59, 0x7F]
)
# Data bytes after each system status; F4, F5, F9 and FD are undefined.
_SYSTEM_SIZES = {
  0xF1: 1,
  0xF2: 2,
  0xF3: 1,
  **dict.fromkeys((0xF6, 0xF8, 0xFA, 0xFB, 0xFC, 0xFE), 0),
}


class MidiRejected(Exception):
  """A file that cannot be used.

  Attributes:
    reason: one of REASONS.
    detail: what was seen, for a person.
  """

  def __init__(self, reason: str, detail: str = "") -> None:
    super().__init__(f"{reason}: {detail}" if detail else reason)
    self.reason = reason
    self.detail = detail


class EndsMidEvent(Exception):
  """The track ends inside an event."""


def canonical_track(
  track: bytes, repairs: set[str], counts: collections.Counter
) -> bytes:
  """Rewrites a track as plain note, pedal, program, tempo and meter events.

  Each event gets its own status byte; what makes no note is dropped and its
  delta added to the next event. Time is linear in the track's length.

  Raises MidiRejected for `bad_vlq`, `bad_status` and `bad_chunk_length`.
  """
  found: set[str] = set()
  out = bytearray()
  pending_ticks = position = 0
  walk = events(track, found)
  try:
    for event in walk:
      position, delta, status, payload = event
      pending_ticks += delta
      if status == 0xFF and payload[0] == 0x2F:
        break
      if makes_notes(status, payload, found):
        if status < 0xF0 and max(payload) > 127:
          payload = bytes(min(byte, 127) for byte in payload)
          found.add("clipped")
        out += _delta_bytes(pending_ticks)
        out.append(status)
        out += payload
        pending_ticks = 0
    else:
      found.add("no_end_of_track")
  except EndsMidEvent:
    found.add("truncated")
  _look_behind_end(track, position, walk, found, counts)
  repairs |= found
  return bytes(out + _delta_bytes(pending_ticks) + END_OF_TRACK)


def _look_behind_end(
  track: bytes,
  position: int,
  walk: Iterator[tuple],
  found: set[str],
  counts: collections.Counter,
) -> None:
  ended = not found & {"truncated", "no_end_of_track"}
  if track.find(b"MTrk", position if ended else 0) >= 0:
    raise MidiRejected("bad_chunk_length", "a chunk swallows the next track")
  if not ended or position == len(track):
    return
  found.add("after_end_of_track")
  try:
    for _ in walk:
      counts["after_end_of_track"] += 1
  except (EndsMidEvent, MidiRejected):
    counts["after_end_of_track"] += 1


def makes_notes(status: int, payload: bytes, found: set[str]) -> bool:
  """Whether an event is kept; adds to `found` what is odd about it."""
  if status < 0xF0:
    kind = status & 0xF0
    sustain = kind == 0xB0 and payload[0] == 64
    return kind in (0x80, 0x90, 0xC0) or sustain
  if status != 0xFF:
    if status not in (0xF0, 0xF7):
      found.add("system_message")
    return False
  if _META.match(payload):
    return payload[0] in (SET_TEMPO, TIME_SIGNATURE)
  found.add("bad_meta" if payload[0] in _KNOWN_META else "unknown_meta")
  return False


def events(
  track: bytes, repairs: set[str], position: int = 0
) -> Iterator[tuple[int, int, int, bytes]]:
  """Yields (offset after the event, delta ticks, status, payload).

  The payload of a channel message is its data bytes, of a meta event its type,
  size and data, of all others empty. `position` is where an event starts; a
  running status from before it is not known. Adds to `repairs` the name
  `running_status_after_sysex` where that occurs.
  """
  channel_status = 0
  interrupted = False
  size = len(track)
  while position < size:
    delta = track[position]
    position += 1
    if delta >= 0x80:
      delta, position = _vlq(track, position - 1)
    if position >= size:
      raise EndsMidEvent
    status = track[position]
    if status >= 0x80:
      position += 1
    elif channel_status:
      status = channel_status
      if interrupted:
        repairs.add("running_status_after_sysex")
    else:
      raise MidiRejected("bad_status", "running status with none before")
    start = position
    if status < 0xF0:
      position += 1 if 0xC0 <= status < 0xE0 else 2
      channel_status = status
      interrupted = False
    else:
      position = _system_end(track, position, status)
      interrupted |= status != 0xFF
    if position > size:
      raise EndsMidEvent
    has_payload = status < 0xF0 or status == 0xFF
    yield position, delta, status, track[start:position] if has_payload else b""


def _system_end(track: bytes, position: int, status: int) -> int:
  if status in (0xF0, 0xF7, 0xFF):
    length, position = _vlq(track, position + (status == 0xFF))
    return position + length
  if status in _SYSTEM_SIZES:
    return position + _SYSTEM_SIZES[status]
  raise MidiRejected("bad_status", f"status byte 0x{status:02x}")


def byte_events(track: bytes) -> Iterator[tuple[int, int, int, int]]:
  """Yields (tick, status, data 1, data 2) of what `song.add_track` uses.

  The track must be in order (see `canonical_track`). For SET_TEMPO the data are
  (microseconds per beat, 0), for TIME_SIGNATURE (numerator, denominator).
  """
  tick = 0
  for _, delta, status, payload in events(track, set()):
    tick += delta
    if status < 0xF0:
      yield tick, status, payload[0], payload[-1]
    elif payload.startswith(b"\x51\x03"):
      yield tick, SET_TEMPO, int.from_bytes(payload[2:]), 0
    elif payload.startswith(b"\x58\x04"):
      yield tick, TIME_SIGNATURE, payload[2], 1 << payload[3]


def count_note_events(track: bytes) -> int:
  """Number of note-on and note-off events before the first broken one."""
  count = 0
  try:
    for _, _, status, _ in events(track, set()):
      count += status < 0xA0
  except (EndsMidEvent, MidiRejected):
    pass  # told again, with its reason, when the track is mended
  return count


def _vlq(track: bytes, position: int) -> tuple[int, int]:
  value = 0
  for offset in range(position, min(position + 4, len(track))):
    byte = track[offset]
    value = value << 7 | byte & 0x7F
    if byte < 0x80:
      return value, offset + 1
  if position + 4 > len(track):
    raise EndsMidEvent
  raise MidiRejected("bad_vlq", "a quantity of more than 4 bytes")


def _delta_bytes(ticks: int) -> bytes:
  out = bytearray()
  while ticks > _LARGEST_DELTA:  # an empty text event carries the excess
    out += b"\xff\xff\xff\x7f\xff\x01\x00"
    ticks -= _LARGEST_DELTA
  for shift in (21, 14, 7):
    if ticks >> shift:
      out.append(0x80 | ticks >> shift & 0x7F)
  out.append(ticks & 0x7F)
  return bytes(out)
