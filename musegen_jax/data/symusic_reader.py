"""MIDI files to pieces by the optional package symusic, many times faster.

Same signature, notes, repairs and rejections as `midi.read_midi`: both read the
tracks that `smf` has mended, and `song` cleans what they read. symusic makes
one part of each program, hides channels and loses the pedal of a program that
plays no note; tracks where a program changes after the first note are therefore
paired from their bytes. What remains:

* counts lack `hanging`, `orphan_off` and `overlapping` in most tracks: symusic
  pairs notes itself and tells of none of them.
* `repairs` may be shorter where mido refuses a track that symusic reads (a
  sysex of over a million bytes).
* a track of more than 2**32 ticks wraps round in symusic; where no negative
  time betrays it, such a file is not rejected as `too_long`.
"""

from typing import Any

import numpy as np

from musegen_jax.data import smf, smf_events, smf_scan, song
from musegen_jax.data.smf_events import MidiRejected
from musegen_jax.data.song import DEFAULT_LIMITS, Limits, Reading
from musegen_jax.errors import UserError


def read_midi(
  data: bytes, limits: Limits = DEFAULT_LIMITS, sustain: bool = True
) -> Reading:
  """Reads the bytes of a MIDI file; see `midi.read_midi`.

  Raises:
    MidiRejected: with one of REASONS.
    UserError: symusic is not installed.
  """
  score_class = _score_class()
  chunks = smf.open_file(data, limits)
  try:
    found = _song(chunks, score_class)
  except Exception:  # symusic raises RuntimeError, IndexError, ValueError...
    smf.mend(chunks, everything=True)
    try:
      found = _song(chunks, score_class)
    except Exception as error:
      detail = f"{type(error).__name__}: {error}"
      raise MidiRejected("unreadable", detail) from error
  found.counts.update(chunks.counts)
  return song.to_reading(
    found, chunks.ticks_per_beat, chunks.repairs, limits, sustain
  )


def _score_class() -> Any:
  try:
    import symusic
  except ImportError as error:
    raise UserError(
      "the symusic reader needs the package symusic: pip install"
      " 'musegen-jax[symusic]', or use the mido reader"
    ) from error
  return symusic.Score


def _song(chunks: smf.Smf, score_class: Any) -> song.Song:
  found = song.Song()
  fixed = [smf_scan.keeps_programs(track) for track in chunks.tracks]
  if all(fixed):
    _add_score(found, score_class.from_midi(chunks.to_bytes()))
    return found
  for track, is_fixed in zip(chunks.tracks, fixed, strict=True):
    data = smf.file_bytes(chunks.ticks_per_beat, [track])
    score = score_class.from_midi(data)
    if is_fixed:
      _add_score(found, score)
    else:
      song.add_track(found, smf_events.byte_events(track))
  return found


def _add_score(found: song.Song, score: Any) -> None:
  # Indices, as the end of an iteration costs symusic a C++ exception.
  tracks = score.tracks
  found.parts += [_part(tracks[index]) for index in range(len(tracks))]
  tempos, meters = score.tempos, score.time_signatures
  for index in range(len(tempos)):
    found.tempos.append((tempos[index].time, tempos[index].mspq))
  for index in range(len(meters)):
    meter = meters[index]
    found.meters.append((meter.time, meter.numerator, meter.denominator))


def _part(part: Any) -> song.Part:
  columns = part.notes.numpy()
  found = song.Part(
    columns["time"],
    columns["duration"],
    columns["pitch"],
    columns["velocity"],
    part.program,
    part.is_drum,
  )
  if not found.is_drum and len(controls := part.controls):
    controls = controls.numpy()
    pedal = np.flatnonzero(controls["number"] == song.SUSTAIN_CONTROL)
    if len(pedal):
      found.pedal_ticks = controls["time"][pedal]
      found.pedal_values = controls["value"][pedal]
  return found
