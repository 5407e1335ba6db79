import pathlib
import sys
from collections.abc import Callable

import numpy as np
import pytest

from musegen_jax import errors
from musegen_jax.data import midi, notes, symusic_reader

EVENTS = {
  "one program": [b"\xc0\x05", b"\x90\x3c\x40", b"\x80\x3c\x00"],
  "program while a note sounds": [
    b"\xc0\x05\x00\x90\x3c\x40",
    b"\xc0\x06",
    b"\x80\x3c\x00",
  ],
  "program there and back while a note sounds": [
    b"\xc0\x05\x00\x90\x3e\x40\x01\xc0\x06",
    b"\x90\x3c\x40\x00\xc0\x05",
    b"\x80\x3c\x00\x00\x80\x3e\x00",
  ],
  "program between notes": [
    b"\x90\x3c\x40\x09\x80\x3c\x00",
    b"\xc0\x06",
    b"\x90\x3e\x40\x09\x80\x3e\x00",
  ],
  "running program": [
    b"\xc0\x05\x00\x06",
    b"\x90\x3c\x40\x09\x80\x3c\x00",
  ],
  "the same program again": [
    b"\xc0\x05\x00\x90\x3c\x40",
    b"\xc0\x05",
    b"\x80\x3c\x00",
  ],
  "pedal up under a program of no note": [
    b"\xb0\x40\x7f\x00\xc0\x05\x00\x90\x3c\x40",
    b"\x80\x3c\x00",
    b"\xc0\x06\x00\xb0\x40\x00",
  ],
  "the same, by running status": [
    b"\xb0\x40\x7f\x00\xc0\x05\x00\x90\x3c\x40",
    b"\x80\x3c\x00",
    b"\xc0\x05\x00\x06\x00\xb0\x40\x00",
  ],
  "the same, then the first program again": [
    b"\xb0\x40\x7f\x00\xc0\x05\x00\x90\x3c\x40",
    b"\x80\x3c\x00",
    b"\xc0\x06\x00\xb0\x40\x00\x00\xc0\x05",
  ],
  "a delta that looks like the program": [
    b"\xb0\x40\x7f\x00\xc0\x05\x00\x90\x3c\x40",
    b"\x80\x3c\x00\xc0\x05\xc0\x06\x00\xb0\x40\x00",
  ],
  "two channels of growing programs": [
    b"\xc0\x05\x00\xc1\x06",
    b"\x90\x3c\x40\x00\x91\x3c\x40",
    b"\x81\x3c\x00\x00\x80\x3c\x00",
  ],
  "two channels, one late program": [
    b"\x90\x3c\x40\x00\xc1\x06\x00\x91\x3e\x40",
    b"\x81\x3e\x00\x00\x80\x3c\x00",
  ],
  "a delta that looks like a program": [
    b"\x90\x3c\x40\xc0\x05\x80\x3c\x00",
    b"\x90\x3c\x40\xc0\x00\x80\x3c\x00",
  ],
  "pedal before the first note": [
    b"\xb3\x40\x7f\x00\x93\x3c\x40",
    b"\x83\x3c\x00\x09\xb3\x40\x00",
  ],
  "pedal never up": [
    b"\xb3\x40\x7f\x00\x93\x3c\x40\x09\x83\x3c\x00",
    b"\x93\x3e\x40\x09\x83\x3e\x00",
  ],
  "tempo and meter": [
    b"\xff\x51\x03\x07\xa1\x20\x00\xff\x58\x04\x03\x02\x18\x08",
    b"\xff\x51\x03\x06\xa1\x20",
    b"\xff\x51\x03\x05\xa1\x20\x00\x90\x3c\x40\x09\x80\x3c\x00",
  ],
}


def outcome(reader: Callable, data: bytes) -> tuple:
  try:
    reading = reader(data)
  except midi.MidiRejected as rejection:
    return (rejection.reason,)
  piece = reading.piece
  notes.check(piece)
  return (
    piece.ticks_per_beat,
    piece.notes.tolist(),
    piece.tempos.tolist(),
    piece.meters.tolist(),
    reading.repairs,
  )


@pytest.mark.parametrize("name", EVENTS)
def test_readings_are_equal(name: str) -> None:
  track = b"".join(b"\x07" + event for event in EVENTS[name])
  track += b"\x00\xff\x2f\x00"
  size = len(track).to_bytes(4, "big")
  data = b"MThd\0\0\0\6\0\1\0\1\0\x60MTrk" + size + track
  found = outcome(symusic_reader.read_midi, data)
  assert found == outcome(midi.read_midi, data)
  assert len(found) > 1


@pytest.mark.parametrize(
  "pattern, step",
  [
    ("odd/**/*.mid*", 1),
    ("classical/giantmidi/**/*.mid", 20),
    ("classical/piano_midi_de/**/*.mid", 6),
    ("drums/groove/**/*.mid", 80),
    ("folk/nottingham/**/*.mid", 60),
    ("jazz_blues_game/openmsx/**/*.mid", 6),
    ("rock_electronic/freedoom/**/*.mid", 16),
  ],
)
def test_files_are_read_alike(
  shared_data: pathlib.Path, pattern: str, step: int
) -> None:
  paths = sorted(shared_data.glob(pattern))[::step]
  assert paths
  for path in paths:
    data = path.read_bytes()
    expected = outcome(midi.read_midi, data)
    assert outcome(symusic_reader.read_midi, data) == expected, path.name


def test_damaged_files_are_read_or_rejected(shared_data: pathlib.Path) -> None:
  random = np.random.default_rng(0)
  path = shared_data / "odd/muspy/fur-elise.mid"
  content = np.frombuffer(path.read_bytes(), np.uint8)
  for _ in range(200):
    data = content.copy()
    places = random.integers(0, len(data), 3)
    data[places] = random.integers(0, 256, 3)
    outcome(symusic_reader.read_midi, data.tobytes())


def test_a_missing_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
  monkeypatch.setitem(sys.modules, "symusic", None)
  with pytest.raises(errors.UserError, match=r"musegen-jax\[symusic\]"):
    symusic_reader.read_midi(b"MThd")
