"""Trains a model: `python -m musegen_jax.train --config=configs/lstm.py
--workdir=runs/lstm`."""

import pathlib

from absl import flags
from ml_collections import config_flags

from musegen_jax import errors, startup
from musegen_jax.training import parallel, run

_WORKDIR = flags.DEFINE_string(
  "workdir", None, "Folder of the run; the same command goes on from there."
)
_INIT_FROM = flags.DEFINE_string(
  "init_from", "", "Run or checkpoint whose parameters to start from."
)
_SECONDS = flags.DEFINE_float(
  "seconds",
  None,
  "Train about so long: some steps are timed, and train.steps set to as many as"
  " fit, without compilation and validation.",
  lower_bound=1.0,
)
_COORDINATOR = flags.DEFINE_string(
  "coordinator",
  "",
  "HOST:PORT of process 0 for several processes; 'auto' asks the cluster.",
)
_NUM_PROCESSES = flags.DEFINE_integer(
  "num_processes", None, "How many processes train together.", lower_bound=1
)
_PROCESS_ID = flags.DEFINE_integer(
  "process_id", None, "Number of this process.", lower_bound=0
)


def define_flags() -> None:
  """Declares --config, which reads the command line for its overrides."""
  config_flags.DEFINE_config_file(
    "config",
    "configs/lstm.py",
    "Study to run; its fields are overridden by --config.train.steps=100.",
  )
  flags.mark_flag_as_required("workdir")


def main(argv: list[str]) -> None:
  """Joins the other processes, if any, and trains."""
  del argv
  startup.prepare()
  parallel.initialize(
    _COORDINATOR.value, _NUM_PROCESSES.value, _PROCESS_ID.value
  )
  run.train(
    flags.FLAGS.config,
    pathlib.Path(_WORKDIR.value),
    _INIT_FROM.value,
    _SECONDS.value,
  )


if __name__ == "__main__":
  errors.run(main, define_flags)
