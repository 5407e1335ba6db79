"""One training run: what was set up, the loop, checkpoints and logs."""

import contextlib
import dataclasses
import json
import pathlib
import signal
from collections.abc import Callable, Iterator

import jax
import numpy as np

from musegen_jax import config as config_lib
from musegen_jax import plots
from musegen_jax.data import batches
from musegen_jax.evaluation import likelihood
from musegen_jax.models import language_model
from musegen_jax.sampling import decode, strategies
from musegen_jax.training import checkpoints, loop, parallel
from musegen_jax.training import setup as setup_lib
from musegen_jax.training import state as state_lib
from musegen_jax.training import workdir as workdir_lib
from musegen_jax.training import writer as writer_lib

# The piece drawn at each evaluation for TensorBoard.
PREVIEW = decode.Lengths(seconds=15.0, min_seconds=5.0, note_seconds=5.0)


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
  must be the same."""
  settings = meta["config"]
  data = {k: v for k, v in settings["data"].items() if k != "data_dir"}
  identity = meta | {
    "config": settings | {"data": data},
    "init_from": init_from,
  }
  workdir_lib.check_identity(workdir, identity)


def preview(setup: setup_lib.Setup, params: dict, step: int) -> np.ndarray:
  """Piano-roll of one sampled piece, uint8 [height, width, 3]."""
  tokens = decode.sample(
    language_model.step_params(params, setup.model.dtype),
    setup.model,
    setup.codec,
    indices=np.array([step]),
    primers=[np.zeros(0, np.int16)],
    lengths=PREVIEW,
    strategy=strategies.Strategy(),
    seed=setup.config.train.seed,
  )[0]
  return plots.piano_roll_image(setup.codec.decode(tokens))


def evaluate(setup: setup_lib.Setup, params_by_device: list[dict]) -> float:
  """Nats per event on the validation split; each process scores its share."""
  own = range(jax.process_index(), len(setup.valid), jax.process_count())
  scores = likelihood.score(
    setup.model,
    params_by_device,
    setup.valid,
    setup.codec,
    pieces=list(own),
  )
  sums = np.array([scores.nll.sum(), scores.events.sum()])
  nll, events = parallel.sum_over_processes(sums)
  return float(nll / events)


def train(
  config: config_lib.Config, workdir: pathlib.Path, init_from: str
) -> None:
  """Trains in `workdir`, going on from its last checkpoint.

  Raises UserError for everything a user can mend.
  """
  config.check(jax.device_count())
  setup = setup_lib.prepare(config, init_from)
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
      writer = writer_lib.Writer(workdir, int(state.step))
      stack.callback(writer.close)
      writer.text("config", json.dumps(setup.meta["config"], indent=2))
    stopped = _run_loop(setup, state, progress, manager, writer)
    manager.wait_until_finished()
    if writer:
      plots.loss_curve(writer_lib.read_metrics(workdir), workdir / "loss.png")
      print(
        f"stopped by a signal; the same command goes on in {workdir}"
        if stopped
        else f"done: lowest validation loss {progress.best_loss:.4f} nats an"
        f" event; {workdir}"
      )


def _run_loop(
  setup: setup_lib.Setup,
  state: state_lib.State,
  progress: loop.Progress,
  manager: checkpoints.Manager,
  writer: writer_lib.Writer | None,
) -> bool:
  """Hands the loop its functions; returns whether a signal stopped it."""
  config, codec = setup.config, setup.codec

  def save(
    state: state_lib.State, progress: loop.Progress, loss: float | None
  ) -> None:
    meta = setup.meta | {"progress": dataclasses.asdict(progress)}
    checkpoints.save(manager, parallel.collect(state), meta, loss)

  def evaluate_and_draw(state: state_lib.State, step: int) -> float:
    params_by_device = parallel.by_device(state.params)
    if writer:
      writer.image(step, "sample", preview(setup, params_by_device[0], step))
    return evaluate(setup, params_by_device)

  batch_at = batches.make_batch_at(
    setup.variants,
    codec,
    batch_size=config.train.batch_size,
    window=config.train.window,
    carry_state=config.train.carry_state,
    transpose_semitones=config.data.transpose_semitones,
    seed=config.train.seed,
    rows=parallel.own_rows(config.train.batch_size),
  )
  step_fn = parallel.pmap_step(
    model=setup.model,
    tx=setup.tx,
    seed=config.train.seed,
    dropout=config.model.dropout,
    accumulate=config.train.accumulate,
  )
  opens = codec.grammar.opens
  with stop_on_signals() as stop_requested:
    return loop.run(
      parallel.spread(state),
      step_fn=step_fn,
      batch_at=batch_at,
      count_notes=lambda batch: int((opens[batch["targets"]] >= 0).sum()),
      evaluate=evaluate_and_draw,
      save=save,
      write=writer.scalars if writer else lambda step, values: None,
      stop_requested=stop_requested,
      train=config.train,
      progress=progress,
    )
