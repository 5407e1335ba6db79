"""The rows of a comparison: real music, models, baselines, controls, folders.

Each has one set of excerpts for every seed, all heard alike and of one length.
"""

import dataclasses
import pathlib

from musegen_jax.comparison import controls, draws, hearing, systems
from musegen_jax.comparison.draws import Drawn, Folder
from musegen_jax.comparison.hearing import Excerpt, Hearing
from musegen_jax.comparison.systems import Model
from musegen_jax.data import notes, shards
from musegen_jax.errors import UserError
from musegen_jax.evaluation.baselines import Baseline

REAL, COPY, SHUFFLED, BARS, NGRAM = systems.RESERVED
MODEL, REFERENCE, CONTROL = "model", "reference", "control"
# What addresses the choice of excerpts; samples have the seed of the user.
TEST_SEED, TRAIN_SEED = 0, 1


@dataclasses.dataclass(frozen=True)
class Entry:
  """One system and its music.

  Attributes:
    name: in all tables.
    kind: lstm, vae, frames, ngram, midi, real, copy or shuffled.
    role: MODEL, REFERENCE or CONTROL.
    description: one sentence.
    drawn: its excerpts and files, one a seed.
    model: the runs, where it has some.
  """

  name: str
  kind: str
  role: str
  description: str
  drawn: list[Drawn]
  model: Model | None = None

  def pieces(self) -> list[list[notes.Piece]]:
    """The pieces of each seed."""
    return [[e.piece for e in drawn.excerpts] for drawn in self.drawn]


@dataclasses.dataclass(frozen=True)
class HeldOut:
  """Held-out music, each excerpt of another piece of the test split.

  Attributes:
    reference: what every system is compared with.
    real: as many others, the row of real music.
  """

  reference: list[Excerpt]
  real: list[Excerpt]

  @property
  def both(self) -> list[Excerpt]:
    """What likelihoods are measured on."""
    return self.reference + self.real


def held_out(dataset: shards.Dataset, own: Hearing, num: int) -> HeldOut:
  """At most `num` excerpts for each side; raises UserError for too few."""
  found = hearing.of_split(dataset, "test", own, 2 * num, TEST_SEED)
  half = len(found) // 2
  if half < draws.LEAST:
    raise UserError(
      f"the test split of {dataset.path} has {len(found)} pieces that hold"
      f" {own.unit} of codec {own.codec.name!r}, and {2 * draws.LEAST} are"
      " needed: build the shards with more MIDI, or compare shorter excerpts"
    )
  return HeldOut(found[:half], found[half : 2 * half])


def of_model(
  model: Model, own: Hearing, num: int, seed: int, folder: pathlib.Path
) -> Entry:
  """Samples of every run of a model."""
  drawn = []
  for number, run in enumerate(model.runs):
    target = folder / draws.folder_name(model.name) / f"run-{number}"
    drawn.append(draws.of_run(run, own, num, seed, target))
  return Entry(
    model.name,
    model.kind,
    MODEL,
    "trained runs that differ in their seed, sampled at temperature 1"
    if len(model.runs) > 1
    else "a trained run, sampled at temperature 1",
    drawn,
    model,
  )


def of_ngram(
  best: Baseline, own: Hearing, num: int, seed: int, folder: pathlib.Path
) -> Entry:
  """Samples of the n-gram."""
  drawn = draws.of_ngram(best, own, num, seed, folder / "n-gram")
  text = f"{best.name}, its order chosen on the validation split"
  return Entry(NGRAM, "ngram", MODEL, text, [drawn])


def of_real(real: list[Excerpt], own: Hearing, folder: pathlib.Path) -> Entry:
  """Held-out music itself."""
  pieces = [excerpt.piece for excerpt in real]
  drawn = draws.through_files(pieces, own, folder / REAL)
  text = "held-out pieces, others than those everything is compared with"
  return Entry(REAL, "real", REFERENCE, text, [drawn])


def of_controls(
  dataset: shards.Dataset,
  real: list[Excerpt],
  own: Hearing,
  seed: int,
  folder: pathlib.Path,
) -> list[Entry]:
  """Edited copies of training pieces, and real pieces whose notes (where they
  have pitches) or bars are shuffled."""
  source = hearing.of_split(dataset, "train", own, len(real), TRAIN_SEED)
  copies = [controls.edited(excerpt, own, seed) for excerpt in source]
  drawn = draws.through_files(copies, own, folder / COPY)
  text = (
    "training pieces transposed, a twentieth of their notes changed: to be"
    " caught by novelty"
  )
  found = [Entry(COPY, "copy", CONTROL, text, [drawn])]
  if own.codec.is_pitch.any():
    mixed = [controls.shuffled(excerpt, seed) for excerpt in real]
    drawn = draws.through_files(mixed, own, folder / SHUFFLED)
    text = "the real pieces with their pitches dealt out anew over their notes"
    found.append(Entry(SHUFFLED, "shuffled", CONTROL, text, [drawn]))
  moved = [controls.bars_shuffled(excerpt, own, seed) for excerpt in real]
  drawn = draws.through_files(moved, own, folder / draws.folder_name(BARS))
  text = "the real pieces with their bars in another order"
  found.append(Entry(BARS, "shuffled", CONTROL, text, [drawn]))
  return found


def of_folder(
  named: systems.Named, found: Folder, own: Hearing, folder: pathlib.Path
) -> Entry:
  """MIDI made elsewhere."""
  target = folder / draws.folder_name(named.name)
  drawn = draws.through_files(found.pieces, own, target)
  left = "".join(f", {why}: {n}" for why, n in sorted(found.reasons.items()))
  text = f"MIDI from {named.path}" + (f"; left out{left}" if left else "")
  return Entry(named.name, "midi", MODEL, text, [drawn])
