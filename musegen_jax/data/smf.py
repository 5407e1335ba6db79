"""Standard MIDI Files as chunks: from any bytes to a header and tracks.

Finds the header behind a RIFF wrapper or junk, skips alien chunks, recounts the
tracks and mends chunk lengths; `smf_events` looks inside the tracks. Each thing
put right leaves its name in `Smf.repairs`.

Format: MIDI 1.0 Detailed Specification, "Standard MIDI Files 1.0" (RP-001).
"""

import collections
import dataclasses
import struct

from musegen_jax.data import smf_events, smf_scan
from musegen_jax.data.smf_events import END_OF_TRACK, MidiRejected
from musegen_jax.data.song import Limits


@dataclasses.dataclass
class Smf:
  """The tracks of one file.

  Attributes:
    ticks_per_beat: 1..32767.
    tracks: the bytes of each MTrk chunk, without its header.
    repairs: names of what had to be put right.
    counts: how many events were left out, by name.
  """

  ticks_per_beat: int
  tracks: list[bytes]
  repairs: set[str]
  counts: collections.Counter

  def to_bytes(self) -> bytes:
    """A canonical file: 6-byte header, type 1, MTrk chunks only."""
    return file_bytes(self.ticks_per_beat, self.tracks)


def file_bytes(ticks_per_beat: int, tracks: list[bytes]) -> bytes:
  """Joins track contents to a type-1 file."""
  header = struct.pack(">4sLHHH", b"MThd", 6, 1, len(tracks), ticks_per_beat)
  chunks = [struct.pack(">4sL", b"MTrk", len(x)) + x for x in tracks]
  return b"".join([header, *chunks])


def read_chunks(data: bytes, max_tracks: int) -> Smf:
  """Finds the header and the tracks of a file; looks at no event.

  Raises MidiRejected for `not_midi`, a division that is no number of ticks per
  beat, a type-2 file of several tracks, and too many tracks.
  """
  repairs: set[str] = set()
  data = _from_header(data, repairs)
  size, kind, declared, division = struct.unpack(">LHHH", data[4:14])
  if not 6 <= size <= len(data) - 8:
    raise MidiRejected("not_midi", f"header of {size} bytes")
  if division == 0:
    raise MidiRejected("bad_division", "0 ticks per beat")
  if division & 0x8000:
    raise MidiRejected("smpte_division", f"division 0x{division:04x}")
  if kind > 2:
    repairs.add("header_type")
  tracks = _track_chunks(data, 8 + size, max_tracks, repairs)
  if kind == 2 and len(tracks) > 1:
    raise MidiRejected("type_2", f"{len(tracks)} independent tracks")
  if declared != len(tracks):
    repairs.add("track_count")
  return Smf(division, tracks, repairs, collections.Counter())


def _from_header(data: bytes, repairs: set[str]) -> bytes:
  start = data.find(b"MThd")
  if start < 0 or len(data) < start + 14:
    raise MidiRejected("not_midi", "no complete MThd header")
  if start == 0:
    return data
  if data[:4] == b"RIFF" and data[start - 8 : start - 4] == b"data":
    repairs.add("riff")
    size = int.from_bytes(data[start - 4 : start], "little")
    return data[start : start + max(size, 14)]
  repairs.add("junk_before_header")
  return data[start:]


def _track_chunks(
  data: bytes, position: int, max_tracks: int, repairs: set[str]
) -> list[bytes]:
  tracks = []
  while position < len(data):
    if not _is_chunk(data, position):
      position = data.find(b"MTrk", position)
      repairs.add("trailing_bytes" if position < 0 else "chunk_length")
      if position < 0:
        break
    start = position + 8
    end = start + int.from_bytes(data[start - 4 : start], "big")
    if data[position : start - 4] != b"MTrk":
      repairs.add("alien_chunk")
    else:
      end = _track_end(data, start, end, repairs)
      tracks.append(data[start:end])
      if len(tracks) > max_tracks:
        raise MidiRejected("too_many_tracks", f"more than {max_tracks}")
    position = end
  return tracks


def _is_chunk(data: bytes, position: int) -> bool:
  name = data[position : position + 4]
  if name == b"MTrk":
    return position + 8 <= len(data)
  size = int.from_bytes(data[position + 4 : position + 8], "big")
  return name.isalnum() and position + 8 + size <= len(data)


def _track_end(data: bytes, start: int, end: int, repairs: set[str]) -> int:
  if end > len(data):
    repairs.add("truncated")
    return len(data)
  if end == len(data) or _is_chunk(data, end):
    return end
  # The length is off by a few bytes, or something lies between the chunks.
  following = data.find(b"MTrk", max(start, end - 7))
  if following < 0 and data.endswith(END_OF_TRACK, start, end):
    return end
  repairs.add("chunk_length")
  return following if following >= 0 else len(data)


def mend(smf: Smf, everything: bool = False) -> None:
  """Rewrites suspicious tracks in place, or all of them.

  Raises MidiRejected for `bad_vlq`, `bad_status` and `bad_chunk_length`.
  """
  for index, last in enumerate(smf_scan.last_suspects(smf.tracks)):
    track = smf.tracks[index]
    if everything or (last >= 0 and not smf_scan.is_in_order(track, last)):
      smf.tracks[index] = smf_events.canonical_track(
        track, smf.repairs, smf.counts
      )


def open_file(data: bytes, limits: Limits) -> Smf:
  """Chunks of a file whose suspicious tracks are mended and limits kept.

  Raises MidiRejected like the functions it calls, and for `too_large`.
  """
  if len(data) > limits.max_bytes:
    raise MidiRejected("too_large", f"more than {limits.max_bytes} bytes")
  smf = read_chunks(data, limits.max_tracks)
  check_size(smf, limits.max_notes)
  mend(smf)
  return smf


def check_size(smf: Smf, max_notes: int) -> None:
  """Raises MidiRejected where a large file holds more than `max_notes` pairs.

  A note takes at least 6 bytes, so that small files need no walk.
  """
  if sum(map(len, smf.tracks)) <= 6 * max_notes:
    return
  count = 0
  for track in smf.tracks:
    count += smf_events.count_note_events(track)
    if count > 2 * max_notes:
      raise MidiRejected("too_many_notes", f"more than {max_notes}")
