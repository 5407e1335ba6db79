"""One comparison: runs and folders in, a report out.

The folder gets samples/, report.html, report.md and, last, report.json.
"""

import dataclasses
import json
import pathlib
import shutil
from typing import Any

from musegen_jax import atomic, report_plots
from musegen_jax import config as config_lib
from musegen_jax.comparison import (
  accuracy,
  cards,
  cost,
  curves,
  draws,
  embeddings,
  entries,
  hearing,
  likelihoods,
  likeness,
  novelty,
  overview,
  page,
  pairs,
  piecewise,
  report_text,
  spread,
  systems,
  variety,
)
from musegen_jax.comparison.entries import Entry, HeldOut
from musegen_jax.comparison.hearing import Hearing
from musegen_jax.comparison.systems import Model, Named
from musegen_jax.data import shards
from musegen_jax.errors import UserError
from musegen_jax.evaluation import baselines
from musegen_jax.evaluation import run as evaluation_run
from musegen_jax.evaluation.measures import features, similarity

REPORT = "report.json"
SAMPLES = "samples"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Settings:
  """What decides a report.

  Attributes:
    runs: trained runs, at least one.
    folders: of MIDI made elsewhere.
    data_dir: of the runs' data; empty for where it was.
    num: samples of each run, and excerpts of each side.
    seed: of all samples.
    seconds: of excerpts, for models of whole pieces.
    bound_samples: K of a VAE's bound.
    title: of the report.
  """

  runs: tuple[Named, ...]
  folders: tuple[Named, ...]
  data_dir: str
  num: int
  seed: int
  seconds: float
  bound_samples: int
  title: str

  def check(self) -> None:
    """Raises UserError where they make no sense."""
    if not self.runs:
      raise UserError("--runs names no run: give at least one")
    if self.bound_samples % 16:
      raise UserError(
        f"--bound_samples={self.bound_samples} is no multiple of 16"
      )
    names = [named.name for named in self.folders]
    names += {named.name for named in self.runs}
    for name in names:
      if names.count(name) > 1:
        raise UserError(
          f"two systems are called {name!r}: give another_name:folder"
        )

  def as_json(self) -> dict:
    """What report.json says of them."""
    return json.loads(json.dumps(dataclasses.asdict(self), default=str))


def compare(
  settings: Settings, folder: pathlib.Path, *, overwrite: bool, plots: bool
) -> dict:
  """Compares and writes everything.

  Args:
    settings: what to compare.
    folder: where to; made where it is missing.
    overwrite: whether another report there may be replaced.
    plots: whether to write the pictures as files too.

  Returns:
    What report.json holds. Raises UserError for what cannot be compared.
  """
  settings.check()
  _check_folder(settings, folder, overwrite)
  models = systems.load(list(settings.runs), settings.seconds)
  config = models[0].runs[0].config
  dataset = shards.open_dataset(settings.data_dir or config.data.data_dir)
  systems.check_data(models, dataset)
  heard = hearing.common(
    {str(run.path): run.hearing for model in models for run in model.runs}
  )
  held_out = entries.held_out(dataset, heard, settings.num)
  # First what may be refused, then what takes long, then what overwrites.
  elsewhere = {
    named: draws.hear_folder(named, heard, len(held_out.reference))
    for named in settings.folders
  }
  best = _ngram(models, dataset, heard)
  _open(folder)
  rows = _entries(
    settings, models, elsewhere, dataset, heard, held_out, best, folder
  )
  report = _report(settings, rows, dataset, heard, held_out, best, folder)
  pictures = {
    entry.name: similarity.self_similarity(entry.drawn[0].excerpts[0].piece)
    for entry in rows
    if entry.drawn[0].excerpts
  }
  speed = cost.speed(rows)
  page.write(report, pictures, speed, folder)
  if plots:
    report_plots.write_plots(report, pictures, folder)
  text = report_text.text(report, speed)
  atomic.write(folder / "report.md", text.encode())
  content = json.dumps(report, indent=1, allow_nan=False) + "\n"
  atomic.write(folder / REPORT, content.encode())
  return report


def _check_folder(
  settings: Settings, folder: pathlib.Path, overwrite: bool
) -> None:
  """Refuses a folder that holds another report, or samples of nobody's."""
  path, way_out = (
    folder / REPORT,
    "add --overwrite or give another --output_dir",
  )
  if overwrite:
    return
  if not path.exists():
    if (folder / SAMPLES).exists():
      raise UserError(f"{folder} holds samples without a report; {way_out}")
    return
  try:
    stored = json.loads(path.read_text())["settings"]
  except (ValueError, TypeError, KeyError):
    raise UserError(f"{path} is damaged; {way_out}") from None
  lines = config_lib.differences(stored, settings.as_json())
  if lines:
    raise UserError(
      f"{folder} holds another report: {'; '.join(lines)}; {way_out}"
    )


def _open(folder: pathlib.Path) -> None:
  """Empties the folder of an earlier report: from here on it is unfinished."""
  folder.mkdir(parents=True, exist_ok=True)
  (folder / REPORT).unlink(missing_ok=True)
  shutil.rmtree(folder / SAMPLES, ignore_errors=True)


def _ngram(
  models: list[Model], dataset: shards.Dataset, heard: Hearing
) -> baselines.Baseline:
  """The best n-gram on what the runs that hear as all is heard trained on."""
  runs = [run for model in models for run in model.runs]
  config = next(run.config for run in runs if run.hearing == heard)
  encode = evaluation_run.make_encode(config, heard.codec, dataset)
  train, valid = encode("train"), encode("valid")
  semitones = config.data.transpose_semitones
  return baselines.fit(train, valid, heard.codec, semitones)[1]


def _entries(
  settings: Settings,
  models: list[Model],
  elsewhere: dict[Named, draws.Folder],
  dataset: shards.Dataset,
  heard: Hearing,
  held_out: HeldOut,
  best: baselines.Baseline,
  folder: pathlib.Path,
) -> list[Entry]:
  """Draws all samples; every set has as many pieces as there are held-out
  excerpts a side."""
  target, seed = folder / SAMPLES, settings.seed
  num = len(held_out.reference)
  rows = [entries.of_real(held_out.real, heard, target)]
  rows += [entries.of_model(m, heard, num, seed, target) for m in models]
  rows += [
    entries.of_folder(named, found, heard, target)
    for named, found in elsewhere.items()
  ]
  rows.append(entries.of_ngram(best, heard, num, seed, target))
  rows += entries.of_controls(dataset, held_out.real, heard, seed, target)
  return rows


def _report(
  settings: Settings,
  rows: list[Entry],
  dataset: shards.Dataset,
  heard: Hearing,
  held_out: HeldOut,
  best: baselines.Baseline,
  folder: pathlib.Path,
) -> dict[str, Any]:
  """Measures everything."""
  reference = [excerpt.piece for excerpt in held_out.reference]
  sizes = likelihoods.sizes(held_out.both, heard)
  scored = accuracy.score(
    rows,
    best,
    held_out.both,
    heard,
    samples=settings.bound_samples,
    seed=settings.seed,
  )
  statistics, coherence = piecewise.measure(rows)
  training = hearing.whole(dataset, "train", heard)
  copied = novelty.measure(rows, reference, training)
  tables = [
    accuracy.table(scored, sizes),
    likeness.likeness_table(
      rows,
      likeness.feature_sets(rows),
      features.features(reference),
      embeddings.spaces(rows, held_out.reference, heard),
    ),
    piecewise.statistics_table(statistics),
    piecewise.coherence_table(coherence),
    variety.diversity_table(rows),
    novelty.table(copied),
    *spread.spread_tables(rows, statistics, reference),
    cost.table(rows),
  ]
  by_id = {table["id"]: table for table in tables}
  tests = pairs.make(rows, scored, sizes.notes, statistics, coherence, copied)
  return {
    "format": 1,
    "title": settings.title,
    "summary": overview.sentences(rows, by_id, scored, tests, copied),
    "warnings": novelty.warnings(rows, copied)
    + overview.warnings(rows, by_id, copied),
    "settings": settings.as_json(),
    "systems": [cards.describe(entry, folder) for entry in rows],
    "tables": [overview.table(rows, by_id), *tables],
    "comparisons": tests,
    "curves": curves.make([entry.model for entry in rows if entry.model]),
    "notes": _notes(settings, dataset, heard, held_out),
  }


def _notes(
  settings: Settings,
  dataset: shards.Dataset,
  heard: Hearing,
  held_out: HeldOut,
) -> list[str]:
  return [
    f"Data: {dataset.path}, fingerprint {dataset.index['fingerprint']}; test"
    " split, each excerpt of another piece.",
    f"All music is heard by codec {heard.codec.name!r} as {heard.unit}.",
    f"{len(held_out.reference)} samples of each run at temperature 1, seed"
    f" {settings.seed}; as many held-out excerpts for reference, and as many"
    " others for the row of real music.",
    "Intervals: 95 %, bootstrap over pieces; of figures of whole sets centred"
    " on the figure; of several seeds for these seeds.",
    "Tests: permutation, two-sided, Holm's correction over all of them.",
    "Definitions and sources stand in musegen_jax/evaluation/measures.",
  ]
