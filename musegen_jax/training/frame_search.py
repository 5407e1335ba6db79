"""Random search over a stated space of settings, on validation alone.

The test split is not an argument of anything here, so it cannot decide. Each
trial trains one seed; what it draws depends on (seed, trial) only, so a longer
search begins with the shorter one's trials.

Left out: early stopping of bad trials and models of the space; the spaces are
small, and a list of independent draws says plainly how hard was looked.
"""

import copy
import dataclasses
import json
import math
import pathlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from musegen_jax import atomic, config_rules
from musegen_jax.config import Config
from musegen_jax.data import frame_sets
from musegen_jax.data.frames import Rolls
from musegen_jax.errors import UserError
from musegen_jax.evaluation import frame_rows
from musegen_jax.evaluation import markdown as markdown_lib
from musegen_jax.training import frame_seeds, workdir

Space = Mapping[str, Sequence[Any]]
Draw = dict[str, Any]


@dataclasses.dataclass(frozen=True)
class Search:
  """What is searched.

  Attributes:
    config: what the draws change.
    space: dotted field -> the values it may take, such as
      {"model.dropout": [0.1, 0.3]}.
    trials: number of draws.
    seed: of the draws; training has config.train.seed.
    folder: of the results.
  """

  config: Config
  space: Space
  trials: int
  seed: int
  folder: pathlib.Path


def draws(space: Space, seed: int, trials: int) -> list[Draw]:
  """The settings of each trial, no two the same.

  Raises UserError where the space holds fewer than `trials`.
  """
  # A value listed twice is drawn more often, but makes no setting of its own.
  size = math.prod(len(set(values)) for values in space.values())
  if trials > size:
    raise UserError(
      f"--trials={trials}, but the space has {size} settings; ask for at most"
      " that many"
    )
  found: list[Draw] = []
  for trial in range(trials):
    rng = np.random.default_rng((seed, trial))
    while True:
      draw = {k: v[rng.integers(len(v))] for k, v in space.items()}
      if draw not in found:
        break
    found.append(draw)
  return found


def apply(config: Config, draw: Draw) -> Config:
  """A copy of the config with the draw's fields set and checked.

  Raises UserError where a field does not exist, its value is of another type,
  or the fields contradict each other.
  """
  config = copy.deepcopy(config)
  for field, value in draw.items():
    section, _, name = field.partition(".")
    holder = getattr(config, section, None)
    old = getattr(holder, name, None)
    # Whole numbers are sound values of a real field, not the other way round.
    sound = (float, int) if type(old) is float else (type(old),)
    if old is None or type(value) not in sound:
      raise UserError(
        f"the space gives {field} the value {value!r}, which does not fit"
        f" config.{field} = {old!r}"
      )
    setattr(holder, name, type(old)(value))
  config_rules.check(config)
  return config


def run(
  search: Search, train: Rolls, valid: Rolls, log: Callable[[str], None]
) -> dict:
  """Trains every trial that an earlier call did not; writes search.md and
  search.json.

  Args:
    search: what is searched.
    train: the split to train on.
    valid: the split that decides.
    log: takes a line on every step.

  Returns what search.json holds, trials from the best. Raises UserError where
  the space does not fit the config, or the folder holds another search.
  """
  trials = draws(search.space, search.seed, search.trials)
  configs = [apply(search.config, draw) for draw in trials]
  search.folder.mkdir(parents=True, exist_ok=True)
  with workdir.lock(search.folder, "--output_dir"):
    settings = dataclasses.asdict(search.config)
    # The data may have moved, but must be the same.
    settings["data"].pop("data_dir")
    identity = {
      "config": settings,
      "space": {field: list(values) for field, values in search.space.items()},
      "seed": search.seed,
      "data_fingerprint": frame_sets.fingerprint(
        {"train": train, "valid": valid}
      ),
    }
    workdir.check_identity(search.folder, identity, "--output_dir")
    rows = []
    for number, (draw, config) in enumerate(zip(trials, configs, strict=True)):
      path = search.folder / f"trial-{number:03d}.json"
      if not path.exists():
        log(f"trial {number} of {search.trials}: {_flags(draw)}")
        row = _trial(config, draw, train, valid, log)
        _write(path, {"trial": number} | row)
      rows.append(_read(path))
    result = {
      "seed": search.seed,
      "space": identity["space"],
      "machine": frame_rows.machine(),
      "trials": sorted(rows, key=_rank),
    }
    _write(search.folder / "search.json", result)
    text = markdown(result)
    atomic.write(search.folder / "search.md", text.encode())
  return result


def markdown(result: dict) -> str:
  """The result of `run` as text."""
  fields = list(result["space"])
  machine, best = result["machine"], result["trials"][0]
  lines = [
    f"# Random search, {len(result['trials'])} trials, seed {result['seed']}",
    "",
    "Validation NLL in nats a frame, rule (b); the test split was not read."
    f" Machine: {machine['platform']}, {machine['cpu_cores']} CPU cores.",
    "",
    *(f"- `{field}`: {values}" for field, values in result["space"].items()),
    "",
    f"Best: `{_flags(best['draw'])}`",
    *markdown_lib.table(
      ["trial", "valid (b)", "step", "seconds", "parameters", *fields],
      [
        [
          str(row["trial"]),
          row.get("error") or f"{row['valid']:.4f}",
          *(f"{row[key]:,.0f}" if key in row else "" for key in _FIGURES),
          *(str(row["draw"][field]) for field in fields),
        ]
        for row in result["trials"]
      ],
    ),
  ]
  return "\n".join(lines) + "\n"


_FIGURES = ("step", "seconds", "parameters")


def _trial(
  config: Config,
  draw: Draw,
  train: Rolls,
  valid: Rolls,
  log: Callable[[str], None],
) -> dict:
  splits = {"train": train, "valid": valid}
  try:
    trained = frame_seeds.train(config, splits, [config.train.seed], log)
  except UserError as error:
    # A setting that diverges is a result; the others are still worth having.
    log(f"failed: {error}")
    return {"draw": draw, "error": str(error)}
  [one] = trained.seeds
  log(f"valid {one.valid:.4f} nats a frame at step {one.best_step}")
  return {
    "draw": draw,
    "valid": one.valid,
    "step": one.best_step,
    "seconds": trained.seconds,
    "parameters": trained.parameters,
    "curve": trained.curve,
  }


def _rank(row: dict) -> tuple[bool, float]:
  return "error" in row, row.get("valid", 0.0)


def _flags(draw: Draw) -> str:
  return " ".join(f"--config.{field}={value}" for field, value in draw.items())


def _read(path: pathlib.Path) -> dict:
  try:
    return dict(json.loads(path.read_text()))
  except (TypeError, ValueError):
    raise UserError(
      f"{path} is damaged: remove it to train that trial again"
    ) from None


def _write(path: pathlib.Path, result: dict) -> None:
  atomic.write(path, (json.dumps(result, indent=2) + "\n").encode())
