"""The polyphonic benchmark: studies trained on data sets, beside what counts
give and what is in print."""

import dataclasses
import json
import pathlib
from collections.abc import Callable, Mapping, Sequence

from musegen_jax import atomic
from musegen_jax.config import Config
from musegen_jax.data.codecs import codec as codec_lib
from musegen_jax.data.frames import duplicates
from musegen_jax.data.shards import SPLITS
from musegen_jax.evaluation import (
  frame_baselines,
  frame_published,
  frame_rows,
  frame_rules,
  frame_table,
)
from musegen_jax.models.frame_features import Heard
from musegen_jax.training import frame_results, frame_seeds, workdir
from musegen_jax.training.frame_results import Stored
from musegen_jax.training.frame_sources import Source

Log = Callable[[str], None]


@dataclasses.dataclass(frozen=True)
class Plan:
  """What is trained.

  Attributes:
    studies: name of a study -> name of a data set -> config.
    seeds: of every study on every set.
    at_once: seeds that train together.
    folder: of all results.
  """

  studies: Mapping[str, Mapping[str, Config]]
  seeds: Sequence[int]
  at_once: int
  folder: pathlib.Path


def run(sources: Sequence[Source], plan: Plan, log: Log) -> dict:
  """Trains what is missing and writes benchmark.md, .json and .png.

  A seed that an earlier call finished in the folder is read, not trained.

  Args:
    sources: the data sets.
    plan: what is trained on each; without studies nothing is.
    log: takes a line on every step.

  Returns what benchmark.json holds. Raises UserError where the self-test fails
  or the folder holds results of other settings or data.
  """
  plan.folder.mkdir(parents=True, exist_ok=True)
  with workdir.lock(plan.folder, "--output_dir"):
    sets = [_counted(source) for source in sources]
    for source, one in zip(sources, sets, strict=True):
      for study, configs in plan.studies.items():
        seeds = _finished(study, configs[source.name], source, plan, log)
        one["rows"] += _rows(study, seeds, source)
    result = {
      "rules": frame_rules.RULES,
      "machine": frame_rows.machine(),
      "sets": sets,
      "published": _published([source.name for source in sources]),
    }
    _write(result, plan.folder)
  return result


def _counted(source: Source) -> dict:
  """What is known of a set before anything is trained."""
  train, valid, test = (source.splits[split] for split in SPLITS)
  baselines = frame_baselines.fit(train, valid, test, source.articulation)
  lengths = test.lengths, valid.lengths
  rows = [frame_rows.baseline_row(each, *lengths) for each in baselines]
  return {
    "name": source.name,
    "source": str(source.path),
    "fingerprint": source.fingerprint,
    "splits": {
      name: {"pieces": len(rolls), "frames": len(rolls.frames)}
      for name, rolls in source.splits.items()
    },
    "duplicates": duplicates(source.splits),
    "scored": "silent, struck or held"
    if source.articulation
    else "silent or sounding",
    "self_test": frame_rows.self_test(
      source.path, rows[0]["figures"]["a"]["mean"]
    ),
    "rows": rows,
  }


def _finished(
  study: str, config: Config, source: Source, plan: Plan, log: Log
) -> list[Stored]:
  """Every seed of one study on one set, trained here or before."""
  folder = plan.folder / f"{study}-{source.name}"
  folder.mkdir(exist_ok=True)
  codec = codec_lib.of(config.data.codec, config.data.steps_per_beat)
  settings = dataclasses.asdict(config)
  # The data may have moved, but must be the same.
  settings["data"].pop("data_dir")
  identity = {
    "config": settings,
    "vocabulary_hash": codec.vocabulary_hash,
    "data_fingerprint": source.fingerprint,
  }
  workdir.check_identity(folder, identity, "--output_dir")
  data = settings["data"] | {"data_dir": str(source.path)}
  meta = identity | {"config": settings | {"data": data}}
  found = [frame_results.load(folder, seed) for seed in plan.seeds]
  missing = [
    seed for seed, one in zip(plan.seeds, found, strict=True) if one is None
  ]
  heard = frame_seeds.hear(config, source.splits) if missing else {}
  for first in range(0, len(missing), plan.at_once):
    chunk = missing[first : first + plan.at_once]
    log(f"{study} on {source.name}: seeds {', '.join(map(str, chunk))}")
    _train(folder, config, source, heard, chunk, meta, log)
  return [frame_results.load(folder, seed) for seed in plan.seeds]


def _train(
  folder: pathlib.Path,
  config: Config,
  source: Source,
  heard: Mapping[str, Heard],
  seeds: list[int],
  meta: dict,
  log: Log,
) -> None:
  trained = frame_seeds.train(config, source.splits, seeds, log, heard)
  lengths = source.splits["test"].lengths
  for number, one in enumerate(trained.seeds):
    test = frame_rules.averages(one.nll["test"], lengths)["b"]
    facts = {
      "step": one.best_step,
      "valid": one.valid,
      "test": test,
      "parameters": trained.parameters,
      # Seeds that train together share the time evenly.
      "seconds": trained.seconds / len(seeds),
      "machine": frame_rows.machine(),
      "curve": [
        row | {k: row[k][number] for k in ("train", "valid")}
        for row in trained.curve
      ],
    }
    stored = Stored(one.seed, one.nll, facts)
    frame_results.save(folder, stored, one.params, meta)
    log(
      f"seed {one.seed}: test {test:.3f}, valid {one.valid:.3f} nats a frame at"
      f" step {one.best_step}"
    )


def _rows(study: str, seeds: Sequence[Stored], source: Source) -> list[dict]:
  lengths = source.splits["test"].lengths
  test = [one.nll["test"] for one in seeds]
  machines = {
    f"{machine['platform']}, {machine['cpu_cores']} cores"
    for machine in (one.facts["machine"] for one in seeds)
  }
  seconds = sum(one.facts["seconds"] for one in seeds)
  rows = [
    frame_rows.row(
      study,
      "model",
      test,
      lengths,
      valid=[one.facts["valid"] for one in seeds],
      steps=[one.facts["step"] for one in seeds],
      parameters=seeds[0].facts["parameters"],
      seconds=seconds,
      note=f"seeds: {len(seeds)}; {' and '.join(sorted(machines))}",
    )
  ]
  if len(seeds) > 1:
    together = frame_rows.ensemble([one.nll["valid"] for one in seeds])
    valid = frame_rules.averages(together, source.splits["valid"].lengths)
    rows.append(
      frame_rows.row(
        f"{study}, ensemble of {len(seeds)}",
        "ensemble",
        [frame_rows.ensemble(test)],
        lengths,
        valid=[valid["b"]],
        parameters=len(seeds) * seeds[0].facts["parameters"],
        seconds=seconds,
        note="mean of the seeds' probabilities of a frame",
      )
    )
  return rows


def _published(names: Sequence[str]) -> list[dict]:
  """The rows in print that have a figure for one of these sets."""
  rows = []
  for row in frame_published.ROWS:
    figures = dict(zip(frame_published.SETS, row.figures, strict=True))
    shown = {k: v for k, v in figures.items() if k in names and v is not None}
    if shown:
      rows.append(dataclasses.asdict(row) | {"figures": shown})
  return rows


def _write(result: dict, folder: pathlib.Path) -> None:
  text = json.dumps(result, indent=2) + "\n"
  atomic.write(folder / "benchmark.json", text.encode())
  frame_table.chart(result, folder / "benchmark.png")
  atomic.write(folder / "benchmark.md", frame_table.markdown(result).encode())
