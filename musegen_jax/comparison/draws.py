"""Samples of every system, as MIDI files and as excerpts.

All through the sampler of `musegen_jax.sample`, at temperature 1 and with one
length for all.
"""

import hashlib
import pathlib
import re
import shutil
import time
from typing import NamedTuple

import numpy as np

from musegen_jax.comparison import hearing as hearing_lib
from musegen_jax.comparison.hearing import Excerpt, Hearing
from musegen_jax.comparison.systems import Named, Run
from musegen_jax.data import midi, midi_folder, notes
from musegen_jax.errors import UserError
from musegen_jax.evaluation.baselines import Baseline
from musegen_jax.sampling import decode, latent_run, markov, modes, run
from musegen_jax.sampling.strategies import Strategy

BATCH_SIZE = 64
STRATEGY = Strategy()
# Fewer pieces of a folder than this say nothing.
LEAST = 8


class Drawn(NamedTuple):
  """Samples of one run.

  Attributes:
    excerpts: as all music is heard; those without any note are missing.
    files: their MIDI files, one an excerpt.
    silent: how many had no note, or nothing the codec can say.
    seconds: of sampling, compilation included.
  """

  excerpts: list[Excerpt]
  files: list[pathlib.Path]
  silent: int
  seconds: float


def folder_name(name: str) -> str:
  """A safe folder name for whatever a system is called, no two alike."""
  safe = re.sub(r"[^A-Za-z0-9_-]", "_", name)[:40]
  if safe == name:
    return name
  return f"{safe}-{hashlib.sha256(name.encode()).hexdigest()[:8]}"


def lengths(seconds: float) -> decode.Lengths:
  """Pieces of that length exactly; a note may take all of it."""
  return decode.Lengths(seconds, seconds, seconds)


def of_run(
  own: Run, hearing: Hearing, num: int, seed: int, folder: pathlib.Path
) -> Drawn:
  """Draws `num` pieces from a trained run into a folder.

  Pieces 0..num - 1 of `seed`, as `musegen_jax.sample` writes them.
  """
  since = time.monotonic()
  shutil.rmtree(folder, ignore_errors=True)
  header = {"checkpoint": str(own.checkpoint.path), "step": own.checkpoint.step}
  also = {"overwrite": False, "png": False, "soundfont": None}
  if own.config.model.kind == "vae":
    settings = modes.Settings(
      mode="prior",
      num=num,
      seed=seed,
      batch_size=BATCH_SIZE,
      strategy=STRATEGY,
    )
    result = latent_run.sample(own.checkpoint, header, settings, folder, **also)
  else:
    seconds = max(own.hearing.seconds, hearing.seconds)
    settings = run.Settings(
      num=num,
      only=(),
      seed=seed,
      lengths=lengths(seconds),
      batch_size=BATCH_SIZE,
      primers=(),
      strategy=STRATEGY,
      baseline="",
    )
    result = run.sample(
      own.params, header, own.checkpoint.meta, settings, folder, **also
    )
  files = [folder / piece["file"] for piece in result["pieces"]]
  spent = time.monotonic() - since
  return _read_back(files, hearing, len(result["silent"]), spent)


def of_ngram(
  best: Baseline, hearing: Hearing, num: int, seed: int, folder: pathlib.Path
) -> Drawn:
  """Draws `num` pieces from an n-gram into a folder."""
  since = time.monotonic()
  pieces = []
  for start in range(0, num, BATCH_SIZE):
    indices = np.arange(start, start + BATCH_SIZE)
    tokens = markov.sample(
      best.model,
      best.order,
      hearing.codec,
      indices=indices,
      primers=[np.zeros(0, np.int16)] * BATCH_SIZE,
      lengths=lengths(hearing.seconds),
      strategy=STRATEGY,
      seed=seed,
    )
    pieces += [hearing.decode(each) for each in tokens[: num - start]]
  kept = [piece for piece in pieces if len(piece.notes)]
  spent = time.monotonic() - since
  drawn = through_files(kept, hearing, folder)
  silent = drawn.silent + len(pieces) - len(kept)
  return drawn._replace(silent=silent, seconds=spent)


def through_files(
  pieces: list[notes.Piece], hearing: Hearing, folder: pathlib.Path
) -> Drawn:
  """Pieces written as piece-00000.mid ... into a folder made anew, and read
  back: what is measured is what is in the files."""
  since = time.monotonic()
  shutil.rmtree(folder, ignore_errors=True)
  folder.mkdir(parents=True)
  files = []
  for number, piece in enumerate(pieces):
    files.append(folder / f"piece-{number:05d}.mid")
    midi.write_midi(piece, files[-1])
  return _read_back(files, hearing, 0, time.monotonic() - since)


class Folder(NamedTuple):
  """MIDI made elsewhere, as all music is heard.

  Attributes:
    pieces: one excerpt of each usable file.
    reasons: files left out, by reason.
  """

  pieces: list[notes.Piece]
  reasons: dict[str, int]


def hear_folder(named: Named, hearing: Hearing, num: int) -> Folder:
  """The first `num` usable MIDI files below a folder.

  Raises UserError where it is none or fewer than LEAST are usable.
  """
  flag = f"--midi_dir={named.name}:{named.path}"
  if not named.path.is_dir():
    raise UserError(f"{flag} is no folder: give one with MIDI")
  kept, reasons = [], {}
  for path in midi_folder.find(named.path):
    if len(kept) == num:
      break
    reason = "too short or nothing the codec can say"
    try:
      piece = midi_folder.read_piece(named.path / path)
    except OSError as error:
      reason = error.strerror or str(error)
    except midi.MidiRejected as error:
      reason = error.reason
    else:
      found = hearing_lib.of_pieces([piece], hearing)
      if found:
        kept.append(found[0].piece)
        continue
    reasons[reason] = reasons.get(reason, 0) + 1
  if len(kept) < LEAST:
    said = ", ".join(f"{why}: {n}" for why, n in reasons.items())
    raise UserError(
      f"{flag} has {len(kept)} usable MIDI files, and {LEAST} are needed"
      f" ({said or 'it holds no MIDI'}); an excerpt is {hearing.unit} of codec"
      f" {hearing.codec.name!r}"
    )
  return Folder(kept, reasons)


def _read_back(
  files: list[pathlib.Path], hearing: Hearing, silent: int, seconds: float
) -> Drawn:
  kept, excerpts = [], []
  for path in files:
    found = hearing_lib.of_pieces([midi_folder.read_piece(path)], hearing)
    if found:
      excerpts.append(found[0])
      kept.append(path)
  return Drawn(excerpts, kept, silent + len(files) - len(kept), seconds)
