"""Cheap tests on the bytes of a track: may a library misread it?

mido and symusic misread some tracks without saying so (a lost delta after an
unknown meta event, notes after the end of a track, running status across a
sysex) or take minutes over them (a variable-length quantity, VLQ, of a
megabyte). These tests find every such track at little cost; the ordinary rest
passes untouched.
"""

import re

import numpy as np

from musegen_jax.data.smf_events import (
  END_OF_TRACK,
  GOOD_META,
  EndsMidEvent,
  MidiRejected,
  events,
  makes_notes,
)

_ODD_META = re.compile(rb"\xff(?!" + GOOD_META + rb"|\x2f\x00\Z)", re.S)
_ODD_META_BEFORE_END = re.compile(
  rb"\xff(?!" + GOOD_META + rb"|\x2f\x00)", re.S
)
# With high bytes inside mido refuses it, and symusic ends it there.
_SYSEX = re.compile(rb"[\x80-\xff]{0,3}[\x00-\x7f]\xf0[\x00-\x7f]+\xf7")
_HIGH_BYTES = bytes(0x20 | (byte & 0x80) for byte in range(256))
_SYSTEM_BYTES = bytes(
  0x53 if 0xF0 <= byte < 0xFF else 0x20 | (byte & 0x80) for byte in range(256)
)
# Letters for program changes and note-ons, blanks for data bytes.
_LETTERS = bytes(
  {0x90: 0x4E, 0xC0: 0x50}.get(byte & 0xF0, 0x20 | byte & 0x80)
  for byte in range(256)
)
_DELTA = rb"[\x80-\xff]{0,3}+[\x00-\x7f]"
_DATA = rb"[\x00-\x7f]"
# Whole channel events, each run of them opened by its status.
_CHANNEL_EVENTS = re.compile(
  rb"(?:%b(?:[\x80-\xbf\xe0-\xef]%b%b(?:%b%b%b)*+|[\xc0-\xdf]%b(?:%b%b)*+))*+"
  % (_DELTA, _DATA, _DATA, _DELTA, _DATA, _DATA, _DATA, _DELTA, _DATA)
)
_LONGEST_CHANNEL_EVENT = 7
# The same without one-byte events, in a track known to be in order.
_TWO_BYTE_EVENTS = re.compile(
  rb"(?:[\x80-\xff]*+.[\x80-\xbf\xe0-\xef].."
  rb"(?:[\x80-\xff]*+.(?:[\x80-\xbf\xe0-\xef].|[\x00-\x7f]).)*+)?+",
  re.S,
)


def all_ordinary(tracks: list[bytes]) -> bool:
  """Whether `last_suspect` surely finds nothing in any track; in one go."""
  data = b"".join(tracks)
  ends = sum(track.endswith(END_OF_TRACK) for track in tracks)
  if not ends == len(tracks) == data.count(END_OF_TRACK):
    return False
  values = np.frombuffer(data, np.uint8)
  high = values >= 0x80
  pairs = high[1:] & high[:-1]
  # Subtraction wraps round: F0 to FE become 0 to 14, all others more.
  after_low = (values[1:] - np.uint8(0xF0) < 15) & ~high[:-1]
  if after_low.any() or (pairs[2:] & pairs[:-2]).any():
    return False
  return not _ODD_META_BEFORE_END.search(data)


def last_suspect(track: bytes) -> int:
  """Offset of the last byte that may belong to an odd event; -1 if none.

  May name bytes that are innocent (a text, a long rest), never misses one that
  mido or symusic would read wrongly in silence.
  """
  if not track.endswith(END_OF_TRACK):
    return len(track)
  last = track.translate(_HIGH_BYTES).rfind(b"\xa0\xa0\xa0\xa0")
  # A status byte always follows the last byte of a delta, which is below 128.
  last = max(last, track.translate(_SYSTEM_BYTES).rfind(b" S"))
  for match in _ODD_META.finditer(track):
    last = max(last, match.start())
  return last


def is_in_order(track: bytes, last: int) -> bool:
  """Whether all events up to the offset `last` are read rightly by all."""
  found: set[str] = set()
  position = 0
  while position <= last:
    behind = last + 1 + _LONGEST_CHANNEL_EVENT
    position = _CHANNEL_EVENTS.match(track, position, behind).end()
    if position > last:
      break
    try:
      event = next(events(track, found, position), None)
    except (EndsMidEvent, MidiRejected):
      return False  # told with its reason by canonical_track
    if event is None:
      return False
    start = position
    position, _, status, payload = event
    if status == 0xFF and payload[0] == 0x2F:
      return position == len(track)
    makes_notes(status, payload, found)
    if found:
      return False
    if status < 0xFF:
      if not _SYSEX.fullmatch(track, start, position):
        return False
      last = max(last, position)  # running status may follow a sysex
  return True


def keeps_programs(track: bytes) -> bool:
  """Whether each channel surely keeps one program from the first note on.

  The track must be in order. False also where it is too odd to tell.
  """
  letters = track.translate(_LETTERS)
  first_note = letters.find(b" N  ")
  last_change = letters.rfind(b" P ")  # or what looks like one
  if first_note < 0 or last_change < first_note:
    return True
  programs = [0] * 16
  start = 0
  for end, _, status, payload in events(track, set()):
    if status & 0xF0 == 0x90:
      break
    if status & 0xF0 == 0xC0:
      programs[status & 0x0F] = payload[0]
    start = end
  while start < len(track):
    last = max(start, last_change)
    behind = last + 1 + _LONGEST_CHANNEL_EVENT
    start = _TWO_BYTE_EVENTS.match(track, start, behind).end()
    if start > last:
      return True  # and running status from here on changes no program
    try:
      event = next(events(track, set(), start), None)
    except (EndsMidEvent, MidiRejected):
      return False
    if event is None:
      return True
    start, _, status, payload = event
    if status & 0xF0 == 0xC0 and programs[status & 0x0F] != payload[0]:
      return False
  return True
