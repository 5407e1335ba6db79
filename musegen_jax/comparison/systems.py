"""What stands in a comparison: trained runs, and folders of MIDI."""

import dataclasses
import pathlib
import re
from typing import NamedTuple

from musegen_jax import config as config_lib
from musegen_jax.comparison import hearing as hearing_lib
from musegen_jax.comparison.hearing import Hearing
from musegen_jax.data import shards
from musegen_jax.errors import UserError
from musegen_jax.evaluation import run as evaluation_run
from musegen_jax.training import checkpoints, workdir

# Runs of one model may differ in these.
FREE = ("train.seed", "train.steps", "data.data_dir")
RESERVED = ("real", "copy", "shuffled", "shuffled bars", "n-gram")
# What needs no model to go on from the first half of a piece.
NO_MODEL = ("first half again", "another piece")


class Named(NamedTuple):
  """A folder and what the report calls it."""

  name: str
  path: pathlib.Path


@dataclasses.dataclass(frozen=True)
class Run:
  """One trained run.

  Attributes:
    path: its folder.
    checkpoint: its best, or the one that was named.
    config: of it.
    hearing: how it hears music.
  """

  path: pathlib.Path
  checkpoint: checkpoints.Checkpoint
  config: config_lib.Config
  hearing: Hearing

  @property
  def params(self) -> dict:
    """Of the checkpoint."""
    return self.checkpoint.params


@dataclasses.dataclass(frozen=True)
class Model:
  """One model: runs that differ in their seed, at least one."""

  name: str
  runs: list[Run]

  @property
  def kind(self) -> str:
    """lstm, vae or frames."""
    return self.runs[0].config.model.kind


def parse(values: list[str], flag: str, named: bool) -> list[Named]:
  """Splits `name:folder` or `folder`.

  Without a name it is the folder's, without a number at its end: seeds of one
  model. Raises UserError for what has neither, and, where `named`, for what has
  no name.
  """
  found = []
  for value in values:
    name, colon, folder = value.partition(":")
    if not colon:
      name, folder = "", value
    if not folder.strip() or (named and not name.strip()):
      raise UserError(f"--{flag}={value!r} must be name:folder")
    path = pathlib.Path(folder)
    own = path.parent.parent if path.parent.name == "checkpoints" else path
    name = name.strip() or re.sub(r"[-_.]\d+$", "", own.absolute().name)
    if name in RESERVED + NO_MODEL:
      raise UserError(
        f"--{flag}={value!r}: {name!r} is a row of every report; give"
        " another_name:folder"
      )
    found.append(Named(name, path))
  return found


def load(given: list[Named], seconds: float) -> list[Model]:
  """Opens the runs and puts those of one name together.

  Args:
    given: at least one.
    seconds: length of an excerpt for runs that hear whole pieces.

  Raises UserError for a folder without a checkpoint, and where runs of one name
  differ in more than seed and steps.
  """
  models: dict[str, list[Run]] = {}
  for name, path in given:
    checkpoint = checkpoints.load(path)
    # Also whether the codec is still what it was.
    evaluation_run.codec_of(checkpoint.meta)
    config = config_lib.from_dict(checkpoint.meta["config"])
    own = hearing_lib.of_config(config, seconds)
    run = Run(path, checkpoint, config, own)
    runs = models.setdefault(name, [])
    if any(path.resolve() == other.path.resolve() for other in runs):
      raise UserError(f"--runs names {path} twice")
    for other in runs[:1]:
      _check_same_model(name, other, run)
    runs.append(run)
  return [Model(name, runs) for name, runs in models.items()]


def _check_same_model(name: str, first: Run, second: Run) -> None:
  lines = config_lib.differences(
    dataclasses.asdict(first.config), dataclasses.asdict(second.config)
  )
  lines = [line for line in lines if line.split(":")[0] not in FREE]
  if lines:
    raise UserError(
      f"{first.path} and {second.path} are both called {name!r} but are no"
      f" seeds of one model: {'; '.join(lines)}; give name:folder"
    )
  if first.config.train.seed == second.config.train.seed:
    raise UserError(
      f"{first.path} and {second.path} are both called {name!r} and have the"
      f" same train.seed {first.config.train.seed}: give name:folder"
    )


def check_data(models: list[Model], dataset: shards.Dataset) -> None:
  """Raises UserError unless all runs were trained on this data set."""
  fingerprint = dataset.index["fingerprint"]
  for model in models:
    for run in model.runs:
      theirs = run.checkpoint.meta["data_fingerprint"]
      if theirs != fingerprint:
        raise UserError(
          f"{run.path} was trained on other data ({theirs}) than"
          f" {dataset.path} ({fingerprint}), and may have seen its test pieces:"
          " leave it out, or sample it and give"
          f" --midi_dir={model.name}:FOLDER"
        )


def metrics_dir(run: Run) -> pathlib.Path | None:
  """The run's folder with its figures; None for a lone checkpoint."""
  for folder in (run.path, run.checkpoint.path.parent.parent):
    if (folder / workdir.IDENTITY).is_file():
      return folder
  return None
