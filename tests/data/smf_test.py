"""Every known way in which MIDI files are odd, with its outcome."""

import collections
import struct

import pytest

from musegen_jax.data import midi, smf, smf_events, smf_scan, symusic_reader

END = b"\x00\xff\x2f\x00"
NOTE = b"\x00\x90\x3c\x40\x60\x80\x3c\x00"
SOUND = (0, 96, 60, 64)
TWICE = [SOUND, SOUND]
OK = [SOUND]
READERS = [midi.read_midi, symusic_reader.read_midi]


def chunk(body: bytes, name: bytes = b"MTrk", excess: int = 0) -> bytes:
  return name + struct.pack(">L", len(body) + excess) + body


def head(
  count: int = 1, kind: int = 1, division: int = 96, size: int = 6
) -> bytes:
  return b"MThd" + struct.pack(">LHHH", size, kind, count, division)


def one(events: bytes) -> bytes:
  """A file of one track with these events."""
  return head() + chunk(events + END)


TRACK = chunk(NOTE + END)
PLAIN = head() + TRACK
BOMB = b"\xff" * 1_000_000
RIFF = b"RIFF" + struct.pack("<L", len(PLAIN) + 12) + b"RMIDdata"
RIFF += struct.pack("<L", len(PLAIN))

# name: (bytes, reason of the rejection)
REJECTED = {
  "smpte division": (head(division=0xE728) + TRACK, "smpte_division"),
  "division 0": (head(division=0) + TRACK, "bad_division"),
  "type 2, two tracks": (head(2, kind=2) + TRACK * 2, "type_2"),
  "header only": (head(0), "no_notes"),
  "no notes": (one(b""), "no_notes"),
  "vlq bomb as delta": (one(BOMB + b"\x00"), "bad_vlq"),
  "vlq bomb as size": (one(b"\x00\xff\x01" + BOMB), "bad_vlq"),
  "black midi": (
    one(
      b"\x00\x90\x3c\x40\x00\x3c\x00" + b"\x00\x3c\x40\x01\x3c\x00" * 200_000
    ),
    "too_many_notes",
  ),
  "note at tick 2**28": (
    one(b"\xff\xff\xff\x7f\x90\x3c\x40\x01\x80\x3c\x00"),
    "too_long",
  ),
  "tick beyond int32": (
    one(b"\xff\xff\xff\x7f\xb0\x07\x01" * 9 + NOTE),
    "too_long",
  ),
  "pedal up at tick 2**28": (
    one(b"\x00\xb0\x40\x7f" + NOTE + b"\xff\xff\xff\x7f\xb0\x40\x00"),
    "too_long",
  ),
  "delta 2**63": (one(b"\x81" + b"\x80" * 8 + b"\x00" + NOTE[1:]), "bad_vlq"),
  "32,767 empty tracks": (
    head(32767) + chunk(END) * 32767,
    "too_many_tracks",
  ),
  "too many bytes": (PLAIN + bytes(5 << 20), "too_large"),
  "running status, none before": (one(b"\x00\x3c\x40"), "bad_status"),
  "status f4": (one(NOTE + b"\x00\xf4"), "bad_status"),
  "status f5": (one(NOTE + b"\x00\xf5"), "bad_status"),
  "status f9": (one(NOTE + b"\x00\xf9"), "bad_status"),
  "status fd": (one(NOTE + b"\x00\xfd"), "bad_status"),
  "empty file": (b"", "not_midi"),
  "truncated header": (PLAIN[:12], "not_midi"),
  "endless header": (head(size=0xFFFFFFFF) + TRACK, "not_midi"),
  "html": (b"<!DOCTYPE html><html>404</html>" * 9, "not_midi"),
  "litter": (bytes(range(256)) * 9, "not_midi"),
  "chunk swallows the next": (
    head(2) + chunk(NOTE + END, excess=len(TRACK)) + TRACK,
    "bad_chunk_length",
  ),
  "last chunk swallows and is too long": (
    head(2) + chunk(NOTE + END, excess=900) + TRACK,
    "bad_chunk_length",
  ),
  "swallows without end of track": (
    head(2) + chunk(NOTE, excess=len(TRACK)) + TRACK,
    "bad_chunk_length",
  ),
}

# name: (bytes, (start, duration, pitch, velocity) of the notes, repairs)
READ = {
  "plain": (PLAIN, OK, ""),
  "unknown meta keeps its delta": (
    one(b"\x83\x60\xff\x08\x01x" + NOTE),
    [(480, 96, 60, 64)],
    "unknown_meta",
  ),
  "track count over 0x8000": (head(0x8001) + TRACK, OK, "track_count"),
  "track count too small": (head(1) + TRACK * 2, TWICE, "track_count"),
  "track count too large": (head(9) + TRACK, OK, "track_count"),
  "running status after sysex": (
    one(b"\x00\x90\x3c\x40\x00\xf0\x02\x01\xf7\x60\x3c\x00"),
    OK,
    "running_status_after_sysex",
  ),
  "running status after meta": (
    one(b"\x00\x90\x3c\x40\x00\xff\x01\x01a\x60\x3c\x00"),
    OK,
    "",
  ),
  "events after the end": (
    head() + chunk(NOTE + END + NOTE + END),
    OK,
    "after_end_of_track",
  ),
  "overlapping pairs first in first out": (
    one(b"\x00\x90\x3c\x40\x10\x90\x3c\x50\x10\x80\x3c\x00\x10\x80\x3c\x00"),
    [(0, 32, 60, 64), (16, 32, 60, 80)],
    "",
  ),
  "hanging": (one(b"\x00\x90\x30\x40" + NOTE), OK, ""),
  "note-off without a note-on": (one(b"\x00\x80\x30\x40" + NOTE), OK, ""),
  "velocity 0 ends": (one(b"\x00\x90\x3c\x40\x60\x90\x3c\x00"), OK, ""),
  "no length": (one(b"\x00\x90\x30\x40\x00\x80\x30\x00" + NOTE), OK, ""),
  "no length on drums": (
    one(b"\x00\x99\x30\x40\x00\x89\x30\x00"),
    [(0, 1, 48, 64)],
    "",
  ),
  "tempo 0": (one(b"\x00\xff\x51\x03\0\0\0" + NOTE), OK, "tempo_zero"),
  "type 7": (head(kind=7) + TRACK, OK, "header_type"),
  "type 2, one track": (head(kind=2) + TRACK, OK, ""),
  "type 0, two tracks": (head(2, kind=0) + TRACK * 2, TWICE, ""),
  "900 KB sysex": (
    one(b"\x00\xf0\xb6\xee\x20" + b"\x01" * 898_848 + NOTE),
    OK,
    "",
  ),
  "sysex with high bytes inside": (
    one(b"\x00\xf0\x05\xf7\x01\xc8\x02\xf7" + NOTE),
    OK,
    "",
  ),
  "1.2 MB sysex": (
    one(b"\x00\xf0\xc9\x9f\x00" + b"\x01" * 1_200_000 + NOTE),
    OK,
    "rewritten",
  ),
  "sysex says 200 MB": (
    one(NOTE + b"\x00\xf0\xdf\xaf\x84\x00\x01"),
    OK,
    "truncated",
  ),
  "bad key": (
    one(b"\x60\xff\x59\x02\x09\x00" + NOTE),
    [(96, *SOUND[1:])],
    "bad_meta",
  ),
  "short tempo": (one(b"\x00\xff\x51\x02\x01\x02" + NOTE), OK, "bad_meta"),
  "short meter": (one(b"\x00\xff\x58\x01\x04" + NOTE), OK, "bad_meta"),
  "meter of 0": (one(b"\x00\xff\x58\x04\0\2\x18\x08" + NOTE), OK, "bad_meta"),
  "short sequence number": (
    one(b"\x00\xff\x00\x01\x01" + NOTE),
    OK,
    "bad_meta",
  ),
  "bad smpte offset": (
    one(b"\x00\xff\x54\x05\x00\x63\0\0\0" + NOTE),
    OK,
    "bad_meta",
  ),
  "smpte offset": (one(b"\x00\xff\x54\x05\x41\1\2\3\4" + NOTE), OK, ""),
  "data byte over 127": (
    one(b"\x00\x90\x3c\xc8\x60\x80\x3c\x00"),
    [(0, 96, 60, 127)],
    "clipped",
  ),
  "program over 127": (one(b"\x00\xc0\xff" + NOTE), OK, "clipped"),
  "ends inside an event": (
    head() + chunk(NOTE + NOTE[:3]),
    OK,
    "truncated",
  ),
  "chunk longer than the file": (
    head() + chunk(NOTE + END, excess=99),
    OK,
    "truncated",
  ),
  "chunk 3 bytes short": (
    head(2) + chunk(NOTE + END, excess=-3) + TRACK,
    TWICE,
    "chunk_length",
  ),
  "chunk 3 bytes long": (
    head(2) + chunk(NOTE + END, excess=3) + TRACK,
    TWICE,
    "chunk_length",
  ),
  "last chunk short": (
    head() + chunk(NOTE + END, excess=-3),
    OK,
    "chunk_length",
  ),
  "alien chunk": (
    head(2) + TRACK + chunk(b"stuff", b"XFIH") + TRACK,
    TWICE,
    "alien_chunk",
  ),
  "riff": (RIFF + PLAIN, OK, "riff"),
  "junk before": (b"\x00" * 128 + PLAIN, OK, "junk_before_header"),
  "extra byte": (PLAIN + b"\x00", OK, "trailing_bytes"),
  "no end of track": (head() + chunk(NOTE), OK, "no_end_of_track"),
  "shift-jis": (
    one(b"\x00\xff\x03\x08\x83\x73\x83\x41\x83\x6d\x82\xd0" + NOTE),
    OK,
    "",
  ),
  **{
    f"system message {event[0]:02x}": (
      one(b"\x60" + event + NOTE),
      [(96, *SOUND[1:])],
      "system_message",
    )
    for event in (
      b"\xf1\x01",
      b"\xf2\x01\x02",
      b"\xf3\x01",
      *(bytes([status]) for status in b"\xf6\xf8\xfa\xfb\xfc\xfe"),
    )
  },
}


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize("name", REJECTED)
def test_rejected(name: str, reader: collections.abc.Callable) -> None:
  data, reason = REJECTED[name]
  with pytest.raises(midi.MidiRejected) as rejection:
    reader(data)
  assert rejection.value.reason == reason
  assert reason in midi.REASONS


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize("name", READ)
def test_read(name: str, reader: collections.abc.Callable) -> None:
  data, expected, repairs = READ[name]
  reading = reader(data)
  fields = ["start_tick", "duration_ticks", "pitch", "velocity"]
  assert reading.piece.notes[fields].tolist() == expected
  if name != "1.2 MB sysex":  # symusic has no limit for messages
    assert set(reading.repairs) == set(repairs.split())
  assert len(reading.piece.tempos) == 0


@pytest.mark.parametrize(
  "name, counts",
  [
    ("plain", {}),
    ("hanging", {"hanging": 1}),
    ("note-off without a note-on", {"orphan_off": 1}),
    ("overlapping pairs first in first out", {"overlapping": 1}),
    ("no length", {"zero_length": 1}),
    ("no length on drums", {"zero_length": 1}),
    ("events after the end", {"after_end_of_track": 3}),
  ],
)
def test_counts(name: str, counts: dict) -> None:
  assert midi.read_midi(READ[name][0]).counts == counts


def test_canonical_track_keeps_the_time_of_what_it_drops() -> None:
  longest = b"\xff\xff\xff\x7f"
  track = (longest + b"\xff\x08\x00") * 2 + NOTE + END
  repairs: set[str] = set()
  fixed = smf_events.canonical_track(track, repairs, collections.Counter())
  ticks = [tick for tick, *_ in smf_events.byte_events(fixed)]
  assert ticks == [2 * 0x0FFFFFFF, 2 * 0x0FFFFFFF + 96]
  assert repairs == {"unknown_meta"}
  assert smf_scan.is_in_order(fixed, len(fixed) - 1)


def test_ordinary_tracks_pass_untouched() -> None:
  long_rest = b"\xfe\x7f\x90\x3c\x40\xff\x7f\x80\x3c\x00"
  data = one(b"\x00\xff\x03\x04\xe3\x81\x82\xe3" + NOTE + long_rest)
  chunks = smf.read_chunks(data, max_tracks=9)
  before = list(chunks.tracks)
  smf.mend(chunks)
  assert chunks.tracks == before
  assert chunks.repairs == set()


@pytest.mark.parametrize("before", [b"", b"\x00\xc0\x05", b"\x00\xff\x01\x01a"])
@pytest.mark.parametrize(
  "suspect",
  [
    b"\x81\x80\x80\x80\x00\x90\x3c\x40",
    b"\x00\xf8",
    b"\x00\xff\x08\x00",
    b"\x00\xff\x51\x02\x00\x00",
    END,
  ],
)
def test_suspects_are_found_at_any_place(before: bytes, suspect: bytes) -> None:
  tracks = [NOTE + END, NOTE + before + suspect + NOTE + END, NOTE + END, NOTE]
  first, second, third, last = smf_scan.last_suspects(tracks)
  assert (first, third, last) == (-1, -1, len(NOTE))
  start = len(NOTE + before)
  assert start <= second < start + len(suspect)
