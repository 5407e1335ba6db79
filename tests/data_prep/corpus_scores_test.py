"""Reading scores: hand-written tunes, and music21's own MIDI as an oracle."""

import collections
import io

import mido
import numpy as np
import pytest

from data_prep import corpus_scores, corpus_sources
from musegen_jax.data import notes

music21 = pytest.importorskip("music21")

C, D, E, F, G = 60, 62, 64, 65, 67
BEAT = corpus_scores.TICKS_PER_BEAT


def tune(body: str, fields: str = "M:4/4\n") -> corpus_sources.Source:
  text = f"X:1\nT:t\n{fields}L:1/4\nK:C\n{body}\n"
  return corpus_sources.Source("t.mid", "folk", "", "t", "t.abc", text)


def columns(piece: notes.Piece) -> list[tuple[int, int, int]]:
  return piece.notes[["start_tick", "duration_ticks", "pitch"]].tolist()


@pytest.mark.parametrize(
  ("body", "expected"),
  [
    ("CDEF|", [(0, 480, C), (480, 480, D), (960, 480, E), (1440, 480, F)]),
    ("(3C/D/E/ z z2|", [(0, 160, C), (160, 160, D), (320, 160, E)]),
    ("[CEG]4|", [(0, 1920, C), (0, 1920, E), (0, 1920, G)]),
    ("z2C2-|C2z2|", [(960, 1920, C)]),
    ("C2-D2|", [(0, 960, C), (960, 960, D)]),  # a slur written as a tie
    ('"Am"{d}C4|', [(0, 1920, C)]),  # no chord symbol, no grace note
    ("|:C4:|D4|", [(0, 1920, C), (1920, 1920, D)]),  # heard once
    ("C|D4|", [(1440, 480, C), (1920, 1920, D)]),  # a pickup ends its bar
  ],
)
def test_notes_of_a_tune(
  body: str, expected: list[tuple[int, int, int]]
) -> None:
  piece = corpus_scores.read_piece(tune(body))
  notes.check(piece)
  assert columns(piece) == expected
  assert piece.ticks_per_beat == BEAT
  assert set(piece.notes["velocity"]) == {80}


def test_tempo_and_meters() -> None:
  piece = corpus_scores.read_piece(tune("C|D3|", "M:3/4\nQ:1/4=90\n"))
  assert piece.tempos.tolist() == [(0, 666_667)]
  assert piece.meters.tolist() == [(0, 3, 4)]
  assert corpus_scores.read_piece(tune("C4|")).tempos.tolist() == []
  part = music21.converter.parse("tinyNotation: 3/4 c4 d e 4/4 c d e f")
  meters = corpus_scores.to_piece([part]).meters
  assert meters.tolist() == [(0, 3, 4), (3 * BEAT, 4, 4)]


@pytest.mark.parametrize(
  ("source", "reason"),
  [
    (tune("z4|"), "no notes"),
    (tune("CDEF(3C/|D/E/z3|"), "a meter MIDI cannot hold: "),
    (tune("CDEF|", "M:x\n"), "music21 cannot read it: "),
  ],
)
def test_unusable_pieces_have_a_reason(
  source: corpus_sources.Source, reason: str
) -> None:
  with pytest.raises(corpus_scores.UnusableError, match=f"^{reason}"):
    corpus_scores.read_piece(source)


def find(path: str) -> corpus_sources.Source:
  sources = corpus_sources.list_sources(path.split("/")[0])
  return {source.path: source for source in sources}[path]


def test_instruments_beside_a_chorale_are_left_out() -> None:
  piece = corpus_scores.read_piece(find("bach/bach-bwv29.8.mid"))
  tracks = [piece.notes[piece.notes["track"] == track] for track in range(4)]
  means = [part["pitch"].mean() for part in tracks]
  assert len(np.unique(piece.notes["track"])) == 4
  assert means == sorted(means, reverse=True)  # soprano first, bass last


def test_five_voices_are_no_chorale() -> None:
  with pytest.raises(corpus_scores.UnusableError, match="5 parts"):
    corpus_scores.read_piece(find("bach/bach-bwv227.3.mid"))


def music21_notes(source: corpus_sources.Source) -> list[tuple[int, int, int]]:
  """Notes of the MIDI file that music21 itself makes, from the first note."""
  reader = music21.converter.Converter()
  if source.text:
    reader.parseData(source.text, format="abc")
  else:
    reader.parseFileNoPickle(source.file)
  score = reader.stream
  if "Opus" in score.classes:
    score = score.mergeScores()
  data = music21.midi.translate.streamToMidiFile(score).writestr()
  file = mido.MidiFile(file=io.BytesIO(data))
  found = []
  for track in file.tracks:
    tick = 0
    sounding = collections.defaultdict(list)
    for message in track:
      tick += message.time
      if message.type == "note_on" and message.velocity:
        sounding[message.note].append(tick)
      elif message.type in ("note_on", "note_off"):
        start = sounding[message.note].pop(0)
        found.append((start, tick - start, message.note))
  scale = BEAT / file.ticks_per_beat
  return from_first(
    [(round(s * scale), round(d * scale), pitch) for s, d, pitch in found]
  )


def from_first(
  found: list[tuple[int, int, int]],
) -> list[tuple[int, int, int]]:
  first = min(start for start, _, _ in found)
  return sorted(
    (start - first, length, pitch) for start, length, pitch in found
  )


@pytest.mark.parametrize(
  "path",
  [
    "bach/bach-bwv66.6.mid",
    "bach/bach-bwv281.mid",
    "fiddle/oneills1850-0051-0100-0003.mid",
    "folk/essenFolksong-erk5-0001.mid",
    "folk/essenFolksong-han1-0206.mid",
    "renaissance/palestrina-Agnus_00.mid",
    "renaissance/josquin-adieuMesAmours.mid",
  ],
)
def test_notes_are_those_of_the_midi_file_music21_makes(path: str) -> None:
  source = find(path)
  found = from_first(columns(corpus_scores.read_piece(source)))
  assert found == music21_notes(source)
