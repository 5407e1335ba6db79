"""Cheap tests on the bytes of a track: may a library misread it?

mido and symusic misread some tracks without saying so (a lost delta after an
unknown meta event, notes after the end of a track, running status across a
sysex) or take minutes over them (a variable-length quantity, VLQ, of a
megabyte). These tests find every such track at little cost; the ordinary rest
passes untouched.
"""

import bisect
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

_ODD_META = re.compile(rb"\xff(?!" + GOOD_META + rb")", re.S)
# With high bytes inside mido refuses it, and symusic ends it there.
_SYSEX = re.compile(rb"[\x80-\xff]{0,3}[\x00-\x7f]\xf0[\x00-\x7f]+\xf7")
# Letters for what may be a note-on or a program change.
_LETTERS = bytes(
  {0x90: 0x4E, 0xC0: 0x50}.get(byte & 0xF0, 0x20) for byte in range(256)
)
# In want of a status the next event may be one more program change.
_PROGRAM = re.compile(
  rb"[\xc0-\xcf]([\x00-\x7f])(?:[\x80-\xff]*+.([\x80-\xff]))?", re.S
)
_DELTA = rb"[\x80-\xff]{0,3}+[\x00-\x7f]"
_DATA = rb"[\x00-\x7f]"
# Whole channel events, each run of them opened by its status, and tempos.
_COMMON_EVENTS = re.compile(
  rb"(?:%b(?:[\x80-\xbf\xe0-\xef]%b%b(?:%b%b%b)*+|[\xc0-\xdf]%b(?:%b%b)*+"
  rb"|\xff\x51\x03...))*+"
  % (_DELTA, _DATA, _DATA, _DELTA, _DATA, _DATA, _DATA, _DELTA, _DATA),
  re.S,
)
_LONGEST_CHANNEL_EVENT = 7
_ONE = np.uint8(1)
# The same without one-byte events, in a track known to be in order.
_TWO_BYTE_EVENTS = re.compile(
  rb"(?:[\x80-\xff]*+.[\x80-\xbf\xe0-\xef].."
  rb"(?:[\x80-\xff]*+.(?:[\x80-\xbf\xe0-\xef].|[\x00-\x7f]).)*+)?+",
  re.S,
)


def last_suspects(tracks: list[bytes]) -> list[int]:
  """For each track the offset of its last suspicious byte; -1 if none.

  May name bytes that are innocent (a text, a long rest), never misses one that
  mido or symusic would read wrongly in silence.
  """
  suspects = _suspects(b"".join(tracks))
  lasts = []
  end = 0
  for track in tracks:
    start, end = end, end + len(track)
    if track.endswith(END_OF_TRACK):
      before_end = bisect.bisect_left(suspects, end - len(END_OF_TRACK)) - 1
      lasts.append(max(suspects[before_end] - start, -1))
    else:
      lasts.append(len(track))
  return lasts


def _suspects(data: bytes) -> list[int]:
  """Sorted offsets of suspicious bytes, ends of tracks too; -1 is the first."""
  found = [match.start() for match in _ODD_META.finditer(data)]
  values = np.frombuffer(data, np.uint8)
  # Four high bytes in a row hold an aligned pair; most files have none.
  pairs = np.frombuffer(data, np.uint16, len(data) // 2) & 0x8080
  if pairs.max(initial=0) == 0x8080:
    pairs = (values[1:] & values[:-1]) >= 0x80
    found += np.flatnonzero(pairs[2:] & pairs[:-2]).tolist()
  # A status byte always follows the last byte of a delta, which is below 128.
  # Adding 1 wraps round: F0 to FE become F1 to FF, all others less.
  system = values + _ONE
  if system.max(initial=0) > 0xF0:
    system = (system[1:] > 0xF0) & (values[:-1] < 0x80)
    found += np.flatnonzero(system).tolist()
  found.append(-1)
  found.sort()
  return found


def is_in_order(track: bytes, last: int) -> bool:
  """Whether all events up to the offset `last` are read rightly by all."""
  found: set[str] = set()
  position = 0
  while position <= last:
    behind = last + 1 + _LONGEST_CHANNEL_EVENT
    position = _COMMON_EVENTS.match(track, position, behind).end()
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
  last_change = letters.rfind(b"P")
  if last_change < letters.find(b"N") or b"N" not in letters:
    return True
  programs = [0] * 16
  start = 0
  for end, _, status, payload in events(track, set()):
    if status & 0xF0 == 0x90:
      break
    if status & 0xF0 == 0xC0:
      programs[status & 0x0F] = payload[0]
    start = end
  while _keeps_program(track, last_change, programs):
    last_change = letters.rfind(b"P", start, last_change)
    if last_change < 0:
      return True
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


def _keeps_program(track: bytes, position: int, programs: list[int]) -> bool:
  """Whether what may be a program change leaves `programs` as they are."""
  match = _PROGRAM.match(track, position)
  if not match:
    return True
  program, next_status = match.groups()
  return program[0] == programs[track[position] & 0x0F] and bool(next_status)
