"""Speed beside torch, Flax and the machine's limits: `python -m
musegen_jax.bench --what=layer,train,sample,data,startup,scale`."""

import functools
import pathlib

from absl import flags

from musegen_jax import errors, startup
from musegen_jax.speed import run, timing

_WHAT = flags.DEFINE_list(
  "what",
  list(run.SECTIONS[:-1]),
  f"Parts of the report, of {','.join(run.SECTIONS)}.",
)
_ROUNDS = flags.DEFINE_integer(
  "rounds", 10, "Measurements of each competitor.", lower_bound=1
)
_CORES = flags.DEFINE_integer(
  "cores",
  1,
  "Cores of a CPU to use: on one, CPU time counts, on several the wall's. A GPU"
  " is measured by the wall, whatever this says.",
  lower_bound=1,
)
_CORE = flags.DEFINE_integer(
  "core", None, "The first core to use, by default the first allowed."
)
_DATA_DIR = flags.DEFINE_string(
  "data_dir",
  "quickstart/shards",
  "Data set for data and startup, from data_prep.build_shards.",
)
_OUTPUT_DIR = flags.DEFINE_string(
  "output_dir", None, "Also write bench.json, bench.md and pictures there."
)
_WRITE_TABLE = flags.DEFINE_bool(
  "write_table",
  False,
  "Also measure each implementation of the LSTM over a grid of sizes, and write"
  " this platform's rows of musegen_jax/models/lstm_table.json.",
)
_TINY = flags.DEFINE_bool(
  "tiny", False, "Small sizes, to see that it runs: the figures mean nothing."
)


def main(argv: list[str]) -> None:
  """Pins this process, then measures and prints."""
  del argv
  unknown = sorted(set(_WHAT.value) - set(run.SECTIONS))
  if unknown or not _WHAT.value + [""] * _WRITE_TABLE.value:
    raise errors.UserError(
      f"--what={','.join(_WHAT.value)}: choose of {', '.join(run.SECTIONS)}"
    )
  if _TINY.value and _WRITE_TABLE.value:
    raise errors.UserError(
      "--write_table with --tiny would replace measured rows by meaningless"
      " ones: leave one of them out"
    )
  settings = timing.start(_ROUNDS.value, _CORES.value, _CORE.value)
  startup.prepare()
  plan = run.Plan(
    what=_WHAT.value,
    data_dir=pathlib.Path(_DATA_DIR.value),
    folder=pathlib.Path(_OUTPUT_DIR.value) if _OUTPUT_DIR.value else None,
    write_table=_WRITE_TABLE.value,
    tiny=_TINY.value,
  )
  run.run(settings, plan, functools.partial(print, flush=True))


if __name__ == "__main__":
  errors.run(main)
