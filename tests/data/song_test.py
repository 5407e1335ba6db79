import collections
import io

import hypothesis
import mido
import numpy as np
from hypothesis import strategies as st

from musegen_jax.data import midi

DRUMS = 9


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


def pedalled(events: list) -> list:
  """Ends of notes, event by event as note_seq does it.

  Events are (tick, 0, pedal value, 0), (tick, 1, pitch, note) for an onset and
  (tick, 2, pitch, note) for an end.
  """
  ends, active, down = {}, [], False
  for tick, rank, value, index in sorted(events):
    if rank == 0:
      down = value >= 64
      if not down:
        for note in [x for x in active if x[2]]:
          ends[note[1]] = tick
        active = [x for x in active if not x[2]]
    elif rank == 1:
      for note in [x for x in active if x[0] == value and down]:
        ends[note[1]] = tick
      active = [x for x in active if not (x[0] == value and down)]
      active.append([value, index, False])
    else:
      for note in [x for x in active if x[1] == index]:
        note[2] = True
        if not down:
          ends[index] = tick
          active.remove(note)
  last = max(tick for tick, rank, *_ in events if rank == 2)
  return [ends.get(index, last) for index in range(len(ends) + len(active))]


@hypothesis.given(
  st.lists(
    st.tuples(st.integers(0, 60), st.integers(1, 30), st.integers(60, 62)),
    min_size=1,
    max_size=12,
    unique_by=lambda note: (note[0], note[2]),
  ),
  st.lists(
    st.tuples(st.integers(0, 90), st.sampled_from([0, 63, 64, 127])),
    max_size=6,
    unique_by=lambda event: event[0],
  ),
)
@hypothesis.settings(max_examples=150, deadline=None)
def test_sustain_equals_going_event_by_event(rows: list, pedal: list) -> None:
  rows.sort()
  queues = collections.defaultdict(collections.deque)
  messages = [(t, 0, "control_change", 0, 64, value) for t, value in pedal]
  for start, duration, pitch in rows:
    messages.append((start, 2, "note_on", 0, pitch, 64))
    messages.append((start + duration, 1, "note_off", 0, pitch, 0))
  messages.sort(key=lambda message: message[:2])
  events = [(t, 0, value, 0) for t, value in pedal]
  for tick, rank, _, _, pitch, _ in messages:
    if rank == 2:
      index = sum(map(len, queues.values())) + sum(e[1] == 2 for e in events)
      queues[pitch].append(index)
      events.append((tick, 1, pitch, index))
    elif rank == 1:
      events.append((tick, 2, pitch, queues[pitch].popleft()))
  ticks = [0] + [message[0] for message in messages]
  deltas = np.diff(ticks).tolist()
  found = midi.read_midi(
    song_bytes([(d, *m[2:]) for d, m in zip(deltas, messages, strict=True)])
  ).piece.notes
  onsets = sorted((i, t, p) for t, rank, p, i in events if rank == 1)
  expected = sorted(
    (start, pitch, end - start)
    for (_, start, pitch), end in zip(onsets, pedalled(events), strict=True)
  )
  assert found[["start_tick", "pitch", "duration_ticks"]].tolist() == expected


def test_sustain_leaves_drums_and_other_channels_alone() -> None:
  track = [(0, "control_change", channel, 64, 127) for channel in (1, DRUMS)]
  track += [(0, "note_on", channel, 60, 64) for channel in (0, 1, DRUMS)]
  track += [(10, "note_off", 0, 60, 0), (0, "note_off", DRUMS, 60, 0)]
  track += [(0, "note_off", 1, 60, 0), (90, "control_change", 1, 64, 0)]
  data = song_bytes(track)
  durations = midi.read_midi(data).piece.notes["duration_ticks"].tolist()
  assert durations == [10, 100, 10]
  plain = midi.read_midi(data, sustain=False).piece.notes["duration_ticks"]
  assert plain.tolist() == [10, 10, 10]


def test_a_note_keeps_the_program_of_its_onset() -> None:
  data = song_bytes(
    [
      (0, "program_change", 0, 7),
      (0, "note_on", 0, 60, 64),
      (5, "program_change", 0, 8),
      (0, "note_on", 0, 62, 64),
      (5, "note_off", 0, 60, 0),
      (5, "note_off", 0, 62, 0),
    ]
  )
  piece = midi.read_midi(data).piece
  assert piece.notes["program"].tolist() == [7, 8]
  assert piece.notes["track"].tolist() == [0, 0]


def test_parts_are_numbered_as_they_first_sound() -> None:
  late = [(50, "note_on", 0, 60, 64), (9, "note_off", 0, 60, 0)]
  early = [(7, "note_on", 3, 61, 64), (9, "note_off", 3, 61, 0)]
  early += [(0, "note_on", 2, 62, 64), (9, "note_off", 2, 62, 0)]
  found = midi.read_midi(song_bytes(late, early)).piece.notes
  assert found[["pitch", "track"]].tolist() == [(61, 0), (62, 1), (60, 2)]


def test_notes_without_length_number_no_part() -> None:
  silent = [(0, "note_on", 0, 60, 64), (0, "note_off", 0, 60, 0)]
  late = [(50, "note_on", 0, 60, 64), (9, "note_off", 0, 60, 0)]
  early = [(7, "note_on", 3, 61, 64), (9, "note_off", 3, 61, 0)]
  found = midi.read_midi(song_bytes(silent + late, early)).piece.notes
  assert found[["pitch", "track"]].tolist() == [(61, 0), (60, 1)]
