import collections
import io
import pathlib
import warnings

import hypothesis
import mido
import numpy as np
import pretty_midi
import pytest
from hypothesis import strategies as st

from musegen_jax import errors
from musegen_jax.data import midi, notes

DRUMS = 9
ORDINARY = [
  "classical/piano_midi_de",
  "drums/groove/drummer1",
  "folk/nottingham",
  "jazz_blues_game/openmsx",
  "rock_electronic/freedoom",
]


def song_bytes(*tracks: list) -> bytes:
  """A file of tracks given as (delta, type, channel, data 1, data 2)."""
  file = mido.MidiFile(ticks_per_beat=96)
  names = {
    "note_on": ("note", "velocity"),
    "note_off": ("note", "velocity"),
    "control_change": ("control", "value"),
    "program_change": ("program",),
  }
  for events in tracks:
    track = mido.MidiTrack()
    for delta, kind, channel, *values in events:
      data = dict(zip(names[kind], values, strict=True))
      track.append(mido.Message(kind, channel=channel, time=delta, **data))
    file.tracks.append(track)
  out = io.BytesIO()
  file.save(file=out)
  return out.getvalue()


@st.composite
def pieces(draw: st.DrawFn) -> notes.Piece:
  """Pieces without overlaps of one pitch inside a part."""
  parts = []
  for _ in range(draw(st.integers(1, 18))):
    drum = draw(st.booleans())
    rows, free = [], {}
    for _ in range(draw(st.integers(1, 6))):
      pitch = draw(st.integers(0, 127))
      start = free.get(pitch, 0) + draw(st.integers(0, 5000))
      duration = draw(st.integers(1, 20_000))
      free[pitch] = start + duration
      rows.append((start, duration, pitch))
    columns = np.array(rows).T
    count = len(rows)
    velocity = draw(
      st.lists(st.integers(1, 127), min_size=count, max_size=count)
    )
    program = draw(
      st.lists(st.integers(0, 127), min_size=count, max_size=count)
    )
    parts.append(notes.make_notes(*columns, velocity, program, drum))
  parts.sort(key=lambda part: part["start_tick"].min())
  for number, part in enumerate(parts):
    part["track"] = number
  ticks = st.lists(st.integers(0, 60_000), unique=True, max_size=4)
  tempos = [
    (tick, draw(st.integers(100_000, 900_000))) for tick in sorted(draw(ticks))
  ]
  meters = [
    (tick, draw(st.integers(1, 32)), 2 ** draw(st.integers(0, 6)))
    for tick in sorted(draw(ticks))
  ]
  return notes.Piece(
    draw(st.integers(24, 1024)),
    notes.sort(np.concatenate(parts)),
    np.array(tempos, notes.TEMPO),
    np.array(meters, notes.METER),
  )


@hypothesis.given(pieces())
@hypothesis.settings(max_examples=40, deadline=None)
def test_written_pieces_are_read_back(piece: notes.Piece) -> None:
  data = midi.to_bytes(piece)
  reading = midi.read_midi(data, midi.Limits(max_seconds=1e9))
  assert reading.repairs == ()
  assert reading.counts == {}
  assert reading.piece.ticks_per_beat == piece.ticks_per_beat
  np.testing.assert_array_equal(reading.piece.notes, piece.notes)
  np.testing.assert_array_equal(reading.piece.tempos, piece.tempos)
  np.testing.assert_array_equal(reading.piece.meters, piece.meters)
  assert midi.to_bytes(reading.piece) == data


@hypothesis.given(
  st.lists(
    st.tuples(st.integers(0, 10**6), st.integers(0, 255), st.integers(0, 4)),
    max_size=12,
  )
)
@hypothesis.settings(max_examples=150, deadline=None)
def test_mutated_files_are_read_or_rejected(mutations: list) -> None:
  data = bytearray(
    song_bytes(
      [(0, "program_change", 0, 5), (0, "control_change", 0, 64, 127)]
      + [(3, "note_on", 0, pitch, 64) for pitch in range(40, 50)]
      + [(200, "note_off", 0, pitch, 64) for pitch in range(40, 50)],
      [(9, "note_on", DRUMS, 36, 9), (0, "note_off", DRUMS, 36, 0)],
    )
  )
  for place, byte, kind in mutations:
    at = place % (len(data) + 1)
    if kind == 0:
      data.insert(at, byte)
    elif kind == 1:
      del data[at : at + byte % 8]
    else:
      data[at : at + 1] = bytes([byte])
  try:
    notes.check(midi.read_midi(bytes(data)).piece)
  except midi.MidiRejected as rejection:
    assert rejection.reason in midi.REASONS


def test_odd_files_end_in_a_named_outcome(shared_data: pathlib.Path) -> None:
  outcomes = collections.Counter()
  for path in sorted((shared_data / "odd").rglob("*")):
    if path.suffix in (".mid", ".midi2", ".syx"):
      try:
        notes.check(midi.read_midi(path.read_bytes()).piece)
        outcomes["read"] += 1
      except midi.MidiRejected as rejection:
        outcomes[rejection.reason] += 1
  assert set(outcomes) <= {"read", *midi.REASONS}
  assert outcomes == {
    "read": 62,
    "not_midi": 22,
    "no_notes": 16,
    "bad_status": 5,
    "bad_division": 1,
    "smpte_division": 1,
    "type_2": 1,
  }


@pytest.mark.parametrize("folder", ORDINARY)
def test_notes_equal_those_of_pretty_midi(
  shared_data: pathlib.Path, folder: str
) -> None:
  for path in sorted((shared_data / folder).rglob("*.mid"))[1:30:7]:
    reading = midi.read_midi(path.read_bytes(), sustain=False)
    if "overlapping" in reading.counts or "zero_length" in reading.counts:
      continue  # pretty_midi pairs these in another way
    with warnings.catch_warnings(record=True) as warned:
      oracle = pretty_midi.PrettyMIDI(str(path))
    expected = sorted(
      (
        oracle.time_to_tick(note.start),
        oracle.time_to_tick(note.end),
        note.pitch,
        note.velocity,
        instrument.program,
        instrument.is_drum,
      )
      for instrument in oracle.instruments
      for note in instrument.notes
    )
    found = reading.piece.notes
    columns = [
      found[x].tolist() for x in ("pitch", "velocity", "program", "is_drum")
    ]
    starts, ends = found["start_tick"].tolist(), notes.end_ticks(found).tolist()
    assert sorted(zip(starts, ends, *columns, strict=True)) == expected
    if warned:
      continue  # pretty_midi leaves out tempos after the first track
    assert notes.seconds(reading.piece) == pytest.approx(
      max(note.end for x in oracle.instruments for note in x.notes), abs=1e-3
    )


def test_write_midi_leaves_the_old_file_when_it_fails(
  tmp_path: pathlib.Path,
) -> None:
  path = tmp_path / "a.mid"
  piece = notes.Piece(96, notes.make_notes([0], [96], [60]))
  midi.write_midi(piece, path)
  before = path.read_bytes()
  assert midi.read_midi(before).piece.notes.tolist() == piece.notes.tolist()
  piece.notes["start_tick"] = 1 << 29
  with pytest.raises(errors.UserError, match="between two events"):
    midi.write_midi(piece, path)
  assert path.read_bytes() == before
  assert list(tmp_path.iterdir()) == [path]
