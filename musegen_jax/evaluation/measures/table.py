"""The measures of one piece as a table. Letters: P pieces, M measures."""

import dataclasses
import math
from collections.abc import Callable, Sequence

import numpy as np

from musegen_jax.data.notes import Piece
from musegen_jax.evaluation.measures import pitch, rhythm, tonal
from musegen_jax.evaluation.measures.view import View


@dataclasses.dataclass(frozen=True)
class Measure:
  """One number that says something of a piece.

  Attributes:
    name: key of its column.
    title: for people.
    unit: "" for shares and other pure numbers.
    low: the smallest value there can be.
    high: the largest; None where there is none.
    of_drums: whether it says something of a piece of drums alone.
    function: (view) -> value, nan where undefined.
    definition: one sentence for a musician.
  """

  name: str
  title: str
  unit: str
  low: float
  high: float | None
  of_drums: bool
  function: Callable[[View], float]
  definition: str


MEASURES: tuple[Measure, ...] = (
  Measure(
    "pitch_count",
    "Pitches",
    "pitches",
    0,
    128,
    False,
    pitch.pitch_count,
    "How many different keys of the piano the piece uses.",
  ),
  Measure(
    "pitch_class_count",
    "Pitch classes",
    "pitch classes",
    0,
    12,
    False,
    pitch.pitch_class_count,
    "How many of the twelve note names it uses, in whatever octave.",
  ),
  Measure(
    "pitch_entropy",
    "Pitch entropy",
    "bits",
    0,
    7,
    False,
    pitch.pitch_entropy,
    "How evenly the notes are spread over the pitches: 0 if all are one"
    " pitch, 3 if they share eight pitches alike.",
  ),
  Measure(
    "pitch_class_entropy",
    "Pitch-class entropy",
    "bits",
    0,
    math.log2(12),
    False,
    pitch.pitch_class_entropy,
    "How evenly the notes are spread over the twelve note names: 2.8 for"
    " seven of them alike, 3.6 for all twelve.",
  ),
  Measure(
    "pitch_range",
    "Range",
    "semitones",
    0,
    127,
    False,
    pitch.pitch_range,
    "Distance from the lowest note to the highest: 12 is an octave.",
  ),
  Measure(
    "mean_pitch",
    "Mean pitch",
    "MIDI number",
    0,
    127,
    False,
    pitch.mean_pitch,
    "How high the notes lie on average: 60 is middle C.",
  ),
  Measure(
    "mean_interval",
    "Mean interval",
    "semitones",
    0,
    127,
    False,
    pitch.mean_interval,
    "How far the top line moves from one note to the next, up or down.",
  ),
  Measure(
    "share_of_leaps",
    "Leaps",
    "",
    0,
    1,
    False,
    pitch.share_of_leaps,
    "Share of moves of the top line of a fourth or more.",
  ),
  Measure(
    "repeated_note_rate",
    "Repeated notes",
    "",
    0,
    1,
    False,
    pitch.repeated_note_rate,
    "Share of moves of the top line that stay on the same note.",
  ),
  Measure(
    "longest_repetition",
    "Longest repetition",
    "notes",
    1,
    None,
    False,
    pitch.longest_repetition,
    "How often the top line plays one note in a row at most.",
  ),
  Measure(
    "velocity_entropy",
    "Velocity entropy",
    "bits",
    0,
    7,
    True,
    pitch.velocity_entropy,
    "How varied the loudness of the notes is: 0 if all are struck alike.",
  ),
  Measure(
    "notes_per_second",
    "Notes a second",
    "notes/s",
    0,
    None,
    True,
    rhythm.notes_per_second,
    "How many notes begin in a second of playing.",
  ),
  Measure(
    "notes_per_beat",
    "Notes a beat",
    "notes/beat",
    0,
    None,
    True,
    rhythm.notes_per_beat,
    "How many notes begin in a quarter note, whatever the tempo.",
  ),
  Measure(
    "mean_note_length",
    "Note length",
    "beats",
    0,
    None,
    False,
    rhythm.mean_note_length,
    "How long a note sounds on average, in quarter notes.",
  ),
  Measure(
    "mean_inter_onset_interval",
    "Time between onsets",
    "beats",
    0,
    None,
    True,
    rhythm.mean_inter_onset_interval,
    "How long it takes on average until the next note or chord begins, in"
    " quarter notes.",
  ),
  Measure(
    "npvi",
    "Rhythmic contrast (nPVI)",
    "",
    0,
    200,
    True,
    rhythm.npvi,
    "How much neighbouring notes differ in length: 0 for even notes, 67 for"
    " long and short in turn as two to one.",
  ),
  Measure(
    "polyphony",
    "Polyphony",
    "pitches",
    1,
    128,
    False,
    rhythm.polyphony,
    "How many pitches sound together on average while anything sounds.",
  ),
  Measure(
    "polyphony_rate",
    "Polyphony rate",
    "",
    0,
    1,
    False,
    rhythm.polyphony_rate,
    "Share of the time in which two or more pitches sound together.",
  ),
  Measure(
    "empty_beat_rate",
    "Empty beats",
    "",
    0,
    1,
    True,
    rhythm.empty_beat_rate,
    "Share of beats in which nothing sounds.",
  ),
  Measure(
    "groove_consistency",
    "Groove consistency",
    "",
    0,
    1,
    True,
    rhythm.groove_consistency,
    "How alike the rhythms of neighbouring bars are: 1 if every bar has the"
    " rhythm of the one before.",
  ),
  Measure(
    "syncopation",
    "Syncopation",
    "levels",
    0,
    None,
    True,
    rhythm.syncopation,
    "How much notes on weak places of the bar are held or followed by"
    " silence over stronger ones: 0 for a march.",
  ),
  Measure(
    "scale_consistency",
    "Scale consistency",
    "",
    0,
    1,
    False,
    tonal.scale_consistency,
    "Share of notes in the major or natural minor scale that fits best.",
  ),
  Measure(
    "in_key_rate",
    "Notes in key",
    "",
    0,
    1,
    False,
    tonal.in_key_rate,
    "Share of notes in the scale of the key the piece seems to be in.",
  ),
  Measure(
    "key_strength",
    "Key strength",
    "",
    -1,
    1,
    False,
    tonal.key_strength,
    "How much the pitches are weighted as in music of one clear key: 1 is"
    " as clear as can be.",
  ),
)


def per_piece(pieces: Sequence[Piece]) -> np.ndarray:
  """Every measure of every piece, float64 [P, M] in the order of MEASURES;
  nan where undefined."""
  return values([View(piece) for piece in pieces])


def values(views: Sequence[View]) -> np.ndarray:
  """As `per_piece`, of pieces that are already views [P]."""
  rows = [[measure.function(view) for measure in MEASURES] for view in views]
  return np.array(rows, np.float64).reshape(len(views), len(MEASURES))
