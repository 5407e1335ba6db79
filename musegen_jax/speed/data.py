"""--what=data: gathering batches beside the step they feed; opening data."""

import functools
import pathlib
import shutil
import statistics
import tempfile
from collections.abc import Callable

import jax

from musegen_jax import config as config_lib
from musegen_jax.data import corpus, shards, token_cache
from musegen_jax.data.codecs import codec as codec_lib
from musegen_jax.errors import UserError
from musegen_jax.speed import report
from musegen_jax.speed.timing import Call, Settings, take_turns
from musegen_jax.training import parallel
from musegen_jax.training import setup as setup_lib

# Tokens a second of trainings on a GPU, of today's and of a limit: assumed.
GPU_RATES = (5e6, 20e6)
ADVICE = "run launch/quickstart.sh, or give --data_dir=FOLDER of shards"
_OPENINGS = 3


def studies(data_dir: pathlib.Path) -> dict[str, config_lib.Config]:
  """The quickstart's network on rows through pieces and on windows, by name."""
  found = {}
  for unit, codec in (("piece", "performance"), ("window", "melody")):
    study = config_lib.Config()
    study.data.data_dir, study.data.codec = str(data_dir), codec
    study.data.unit = unit
    found[f"{unit}s, {codec}"] = study
  return found


def _gather(study: config_lib.Config, settings: Settings) -> dict:
  """Figures of one kind of batch."""
  setup = setup_lib.prepare(study, "")
  batch_at = setup.task.batch_at
  steps_fn = setup.steps_fn()
  state = parallel.spread(setup.initial_state())
  batch = batch_at(0)
  rows = parallel.put_rows({name: a[None] for name, a in batch.items()})
  number = 0

  def gather() -> None:
    nonlocal number
    number += 1
    batch_at(number)

  def train() -> None:
    nonlocal state
    state, _ = steps_fn(state, rows)
    jax.block_until_ready(state)

  seconds = take_turns({"gather": gather, "step": train}, settings)
  fastest = min(seconds["gather"])
  tokens = batch["inputs"].size
  return {
    "tokens": tokens,
    "bytes": sum(array.nbytes for array in batch.values()),
    "gather_min_ms": fastest * 1e3,
    "gather_median_ms": statistics.median(seconds["gather"]) * 1e3,
    "step_min_ms": min(seconds["step"]) * 1e3,
    "step_median_ms": statistics.median(seconds["step"]) * 1e3,
    "tokens_per_second": tokens / fastest,
    "bytes_per_second": sum(a.nbytes for a in batch.values()) / fastest,
    "share_of_step": fastest / min(seconds["step"]),
    "share_at_gpu_speed": {
      f"{rate / 1e6:g} Mtok/s": fastest * rate / tokens for rate in GPU_RATES
    },
  }


def _lines(name: str, figures: dict) -> list[tuple[str, ...]]:
  rates = figures["tokens_per_second"], figures["bytes_per_second"]
  shares = figures["share_at_gpu_speed"].items()
  return [
    (
      f"batch of {name}: {figures['tokens']} tokens",
      f"{figures['gather_min_ms']:.3g} / {figures['gather_median_ms']:.3g} ms",
      f"{rates[0] / 1e6:.3g} Mtok/s, {rates[1] / 1e6:.3g} MB/s",
    ),
    (
      f"its training step here, {name}",
      f"{figures['step_min_ms']:.3g} / {figures['step_median_ms']:.3g} ms",
      f"gathering is {figures['share_of_step']:.2%} of it",
    ),
    *(
      (
        f"a step at {speed}, assumed, {name}",
        f"{figures['tokens'] / float(speed.split()[0]) / 1e3:.3g} ms",
        f"gathering is {share:.2%} of it",
      )
      for speed, share in shares
    ),
  ]


def _open(study: config_lib.Config) -> None:
  codec = codec_lib.of(study.data.codec, study.data.steps_per_beat)
  dataset = shards.open_dataset(study.data.data_dir)
  corpus.encode_split(dataset, "train", codec)


def _openings(study: config_lib.Config, settings: Settings) -> dict:
  """Seconds to open the training split, encoding it and from the cache."""
  cache = pathlib.Path(study.data.data_dir) / token_cache.FOLDER
  seconds: dict[str, list[float]] = {"cold": [], "cached": []}
  opening: Call = functools.partial(_open, study)
  for _ in range(_OPENINGS):
    shutil.rmtree(cache, ignore_errors=True)
    for times in seconds.values():
      start = settings.clock()
      opening()
      times.append(settings.clock() - start)
  return {
    f"{name}_{how.__name__}_seconds": how(times)
    for name, times in seconds.items()
    for how in (min, statistics.median)
  }


def copy_shards(source: pathlib.Path, target: pathlib.Path) -> None:
  """Copies a data set without the tokens that were kept beside it."""
  skip: Callable = shutil.ignore_patterns(token_cache.FOLDER)
  shutil.copytree(source, target, ignore=skip)


def run(settings: Settings, data_dir: pathlib.Path) -> report.Section:
  """The section of one data set."""
  if not (data_dir / shards.INDEX).exists():
    return report.not_measured("data", f"no data set in {data_dir}; {ADVICE}")
  lines, figures = [], []
  with tempfile.TemporaryDirectory() as folder:
    copied = pathlib.Path(folder) / "shards"
    copy_shards(data_dir, copied)
    chosen = studies(copied)
    for name, study in chosen.items():
      try:
        measured = _gather(study, settings)
      except UserError as error:  # such as a data set without melodies
        lines.append((f"batch of {name}", f"not measured: {error}", ""))
        figures.append({"name": name, "not_measured": str(error)})
        continue
      lines += _lines(name, measured)
      figures.append({"name": name} | measured)
    opened = _openings(next(iter(chosen.values())), settings)
  figures.append({"name": "open"} | opened)
  for name in ("cold", "cached"):
    times = [opened[f"{name}_{how}_seconds"] for how in ("min", "median")]
    lines.append(
      (
        f"opening the training split, {name}",
        f"{times[0] * 1e3:.3g} / {times[1] * 1e3:.3g} ms",
        "",
      )
    )
  about = (
    f"Batches of {data_dir}, 32 rows of 128 tokens, beside the training step of"
    " two layers of 256 units that they feed, in turn; milliseconds as minimum"
    " / median. Cold openings encode the notes, cached ones map the tokens."
  )
  titles = ("what", "time, min / median", "rate or share")
  return report.Section("data", about, titles, lines, figures)
