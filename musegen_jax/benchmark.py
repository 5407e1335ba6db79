"""The literature's table: `python -m musegen_jax.benchmark
--data=jsb,nottingham,musedata,piano_midi
--config=configs/frames_autoregressive.py --output_dir=runs/benchmark`."""

import functools
import pathlib
import sys

from absl import flags

from musegen_jax import errors, frame_flags, startup
from musegen_jax.evaluation import frame_table
from musegen_jax.evaluation.frame_published import SETS
from musegen_jax.training import frame_benchmark, frame_seeds

_SEEDS = flags.DEFINE_integer(
  "seeds", 5, "Seeds 0..n-1 of every study on every set.", lower_bound=1
)
_SEEDS_AT_ONCE = flags.DEFINE_integer(
  "seeds_at_once",
  0,
  "Seeds that train together, the rest follow; 0: all on an accelerator, and"
  " one on a CPU, which gains nothing by more.",
  lower_bound=0,
)
_OUTPUT_DIR = flags.DEFINE_string(
  "output_dir",
  None,
  "Folder for benchmark.md, .json and .png and what was trained; the same"
  " command goes on from there.",
)
_BASELINES_ONLY = flags.DEFINE_bool(
  "baselines_only", False, "Train nothing: counts and what is in print."
)


def main(argv: list[str]) -> None:
  """Reads the data, trains what is missing, prints the table."""
  del argv
  startup.prepare()
  given = flags.FLAGS
  sources, studies = frame_flags.read(given.data, given.data_dir, given.config)
  plan = frame_benchmark.Plan(
    studies={} if _BASELINES_ONLY.value else studies,
    seeds=range(_SEEDS.value),
    at_once=_SEEDS_AT_ONCE.value or frame_seeds.at_once(_SEEDS.value),
    folder=pathlib.Path(_OUTPUT_DIR.value),
  )
  log = functools.partial(print, file=sys.stderr, flush=True)
  print(frame_table.markdown(frame_benchmark.run(sources, plan, log)), end="")


if __name__ == "__main__":
  flags.mark_flag_as_required("output_dir")
  errors.run(main, functools.partial(frame_flags.define, ",".join(SETS)))
