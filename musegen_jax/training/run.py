"""One training run: what was set up, the loop, checkpoints and logs."""

import contextlib
import dataclasses
import json
import pathlib
import signal
from collections.abc import Callable, Iterator

import jax
import tqdm

from musegen_jax import config as config_lib
from musegen_jax import config_rules
from musegen_jax.training import checkpoints, loop, pace, parallel
from musegen_jax.training import setup as setup_lib
from musegen_jax.training import state as state_lib
from musegen_jax.training import workdir as workdir_lib
from musegen_jax.training import writer as writer_lib


@contextlib.contextmanager
def stop_on_signals() -> Iterator[Callable[[], bool]]:
  """Turns SIGTERM and the first Ctrl-C into a flag that the loop reads."""
  received = []

  def note(number: int, frame: object) -> None:
    if received and number == signal.SIGINT:
      raise KeyboardInterrupt
    received.append(number)

  kinds = (signal.SIGTERM, signal.SIGINT)
  before = {kind: signal.signal(kind, note) for kind in kinds}
  try:
    yield lambda: bool(received)
  finally:
    for kind, handler in before.items():
      signal.signal(kind, handler)


def check_workdir(workdir: pathlib.Path, meta: dict, init_from: str) -> None:
  """Refuses a folder that holds another run; the data may have moved, but
  must be the same, and another machine may make more steps in a call."""
  settings = meta["config"]
  data = {k: v for k, v in settings["data"].items() if k != "data_dir"}
  train = {k: v for k, v in settings["train"].items() if k != "steps_per_call"}
  identity = meta | {
    "config": settings | {"data": data, "train": train},
    "init_from": init_from,
  }
  workdir_lib.check_identity(workdir, identity)


def _begun_steps(workdir: pathlib.Path) -> int | None:
  """Steps of the run that began in this folder, if one did."""
  begun = workdir_lib.read_identity(workdir)
  return begun and config_lib.from_dict(begun["config"]).train.steps


def train(
  config: config_lib.Config,
  workdir: pathlib.Path,
  init_from: str,
  seconds: float | None = None,
) -> None:
  """Trains in `workdir`, going on from its last checkpoint.

  Args:
    config: of the run.
    workdir: its folder.
    init_from: a run or checkpoint to start from, or "".
    seconds: where given, what sets `train.steps`: as many as take that long. A
      run that has begun keeps its number.

  Raises UserError for everything a user can mend.
  """
  config_rules.check(config, jax.device_count())
  setup = setup_lib.prepare(config, init_from)
  if seconds:
    steps = _begun_steps(workdir) or pace.steps_in(setup, seconds)
    train_settings = dataclasses.replace(config.train, steps=steps)
    config = dataclasses.replace(config, train=train_settings)
    # In so short a time there may be no room for the warm-up.
    config_rules.check(config, jax.device_count())
    setup = setup.with_config(config)
  with contextlib.ExitStack() as stack:
    if parallel.is_main():
      stack.enter_context(workdir_lib.lock(workdir))
      check_workdir(workdir, setup.meta, init_from)
      print(setup.overview(), flush=True)
    manager = stack.enter_context(
      checkpoints.open_manager(
        workdir / "checkpoints", config.train.keep_checkpoints
      )
    )
    state, progress = setup.initial_state(), loop.Progress()
    restored = checkpoints.restore(manager, state)
    if restored:
      state, progress = restored[0], loop.Progress(**restored[1]["progress"])
    stale = 0 < config.train.early_stop <= progress.stale
    if stale or state.step >= config.train.steps:
      print(f"nothing to do: the run in {workdir} is complete")
      return
    writer = None
    if parallel.is_main():
      text = json.dumps(setup.meta["config"], indent=2)
      writer = writer_lib.Writer(workdir, int(state.step), text)
      stack.callback(writer.close)
    stopped = _run_loop(setup, state, progress, manager, writer)
    manager.wait_until_finished()
    if writer:
      from musegen_jax import plots  # Late, as below.

      plots.loss_curve(writer_lib.read_metrics(workdir), workdir / "loss.png")
      print(
        f"stopped by a signal; the same command goes on in {workdir}"
        if stopped
        else f"done: lowest validation loss {progress.best_loss:.4f}"
        f" {setup.task.unit}; {workdir}"
      )


def _run_loop(
  setup: setup_lib.Setup,
  state: state_lib.State,
  progress: loop.Progress,
  manager: checkpoints.Manager,
  writer: writer_lib.Writer | None,
) -> bool:
  """Hands the loop its functions; returns whether a signal stopped it."""
  config, task = setup.config, setup.task

  def save(
    state: state_lib.State, progress: loop.Progress, loss: float | None
  ) -> None:
    meta = setup.meta | {"progress": dataclasses.asdict(progress)}
    checkpoints.save(manager, parallel.collect(state), meta, loss)

  def validate(state: state_lib.State, step: int) -> dict[str, float]:
    by_device = parallel.by_device(state.params)
    validation = task.validate(by_device, step)
    if writer:
      # Late: matplotlib takes as long to load as all else before the first
      # step.
      from musegen_jax import plots

      piece = task.preview(by_device[0], step)
      writer.image(step, "sample", plots.piano_roll_image(piece))
      for name, values in validation.vectors.items():
        writer.vector(step, f"valid/{name}", values)
      for warning in validation.warnings:
        tqdm.tqdm.write(f"step {step}: warning: {warning}")
    return validation.figures

  with stop_on_signals() as stop_requested:
    return loop.run(
      parallel.spread(state),
      steps_fn=setup.steps_fn(),
      batch_at=task.batch_at,
      count_notes=task.count_notes,
      steps_per_epoch=task.steps_per_epoch,
      evaluate=validate,
      save=save,
      write=writer.scalars if writer else lambda step, values: None,
      stop_requested=stop_requested,
      train=config.train,
      progress=progress,
    )
