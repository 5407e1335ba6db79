"""The only training loop: steps, logs, validation, checkpoints, stopping."""

import contextlib
import dataclasses
import time
from collections.abc import Callable
from typing import Any

import jax
import numpy as np
import tqdm
from clu import metrics as clu_metrics

from musegen_jax import config as config_lib
from musegen_jax.data import batches
from musegen_jax.errors import UserError
from musegen_jax.training import calls, parallel


@dataclasses.dataclass
class Progress:
  """What a run remembers beside its state; saved with every checkpoint.

  Attributes:
    best_loss: lowest validation loss so far, or None.
    stale: evaluations since then.
    seconds: of training, without validation and checkpoints.
    notes: seen in training, by this process.
  """

  best_loss: float | None = None
  stale: int = 0
  seconds: float = 0.0
  notes: int = 0

  def trained(self, seconds: float, notes: int) -> None:
    """Notes some training."""
    self.seconds += seconds
    self.notes += notes

  def update(self, loss: float) -> None:
    """Notes one evaluation."""
    improved = self.best_loss is None or loss < self.best_loss
    self.stale = 0 if improved else self.stale + 1
    self.best_loss = loss if improved else self.best_loss


@dataclasses.dataclass
class _Made:
  """Calls that were dispatched and not yet reported on."""

  metrics: list[tuple[range, clu_metrics.Collection]] = dataclasses.field(
    default_factory=list
  )
  notes: int = 0

  def add(self, call: calls.Call, metrics: clu_metrics.Collection) -> None:
    self.metrics.append((call.steps, metrics))
    self.notes += call.notes


def _summary(
  pending: list[tuple[range, clu_metrics.Collection]],
) -> dict[str, float]:
  """Merges the metrics of several calls, waiting for the last; raises at the
  first step with a non-finite one."""
  merged = None
  for numbers, metrics in pending:
    fetched = parallel.first(metrics)
    for index, number in enumerate(numbers):
      one = jax.tree.map(lambda array, at=index: array[at], fetched)
      values = {k: float(v) for k, v in one.compute().items()}
      if not np.isfinite([values["loss"], values["gradient_norm"]]).all():
        raise UserError(
          f"step {number + 1}: loss {values['loss']}, gradient norm"
          f" {values['gradient_norm']}; nothing was saved since the last"
          " checkpoint: lower --config.optimizer.learning_rate or look at the"
          " data"
        )
      merged = one if merged is None else merged.merge(one)
  return {k: float(v) for k, v in merged.compute().items()}


def run(
  state: Any,
  *,
  steps_fn: Callable[[Any, Any], tuple[Any, clu_metrics.Collection]],
  batch_at: Callable[[int], batches.Batch],
  count_notes: Callable[[batches.Batch], int],
  steps_per_epoch: int,
  evaluate: Callable[[Any, int], dict[str, float]],
  save: Callable[[Any, Progress, float | None], None],
  write: Callable[[int, dict[str, float]], None],
  stop_requested: Callable[[], bool],
  train: config_lib.Train,
  progress: Progress,
) -> bool:
  """Trains from the state's own step to the last.

  Between two log steps the host only dispatches: metrics stay on the device,
  and at a log step they are fetched once the next call is under way.

  Args:
    state: spread over the devices; its `step` counts completed updates.
    steps_fn: (state, the rows of a call) -> (state, the metrics of each of its
      steps), pmapped.
    batch_at: rows of this process at a step.
    count_notes: notes in a batch, for the speed shown.
    steps_per_epoch: after which the training split was seen about once.
    evaluate: (state, step) -> figures of the validation split, `loss` among
      them.
    save: writes a checkpoint; called with finite losses only.
    write: takes a row of figures.
    stop_requested: whether a signal asked to stop; asked after each call.
    train: when to do what.
    progress: updated in place.

  Returns:
    Whether a signal stopped the loop.

  Raises:
    UserError at the first loss or gradient that is not finite.
  """
  begun = int(parallel.first(state.step))
  bar = tqdm.tqdm(
    total=train.steps,
    initial=begun,
    unit=" steps",
    desc="train",
    disable=not parallel.is_main(),
    dynamic_ncols=True,
  )
  since = time.monotonic()

  def report(made: _Made) -> None:
    nonlocal since
    figures = _summary(made.metrics)
    # From here, as the device may go on while the row is written.
    now = time.monotonic()
    spent, since = max(now - since, 1e-9), now
    progress.trained(spent, made.notes)
    step, speed = made.metrics[-1][0].stop, made.notes / spent
    write(
      step,
      {f"train/{name}": value for name, value in figures.items()}
      | {
        "train/notes_per_second": speed,
        "train/seconds": progress.seconds,
        "train/notes": progress.notes,
        "train/epoch": step / steps_per_epoch,
      },
    )
    bar.update(step - bar.n)
    bar.set_postfix(loss=f"{figures['loss']:.3f}", notes_per_s=f"{speed:.0f}")

  size = calls.steps_per_call(train)
  feed = calls.feed(
    batch_at, count_notes, calls.spans(begun, train.steps, size)
  )
  stopped, made, due = False, _Made(), None
  guard = jax.transfer_guard_device_to_host("disallow")
  with bar, contextlib.closing(feed), guard:
    for call in feed:
      state, metrics = steps_fn(state, call.rows)
      if due:
        report(due)
        due = None
      made.add(call, metrics)
      step = call.steps.stop
      last = step == train.steps
      log = last or step % train.log_every == 0
      evaluation = last or step % train.evaluate_every == 0
      checkpoint = evaluation or step % train.checkpoint_every == 0
      # Processes must agree, and to ask them at each call would cost time.
      if jax.process_count() == 1 or log:
        stopped = parallel.any_process(stop_requested())
      if not (log or checkpoint or stopped):
        continue
      due, made = made, _Made()
      if not (checkpoint or stopped):
        continue
      report(due)
      due, loss = None, None
      if evaluation:
        figures = evaluate(state, step)
        loss = figures["loss"]
        progress.update(loss)
        write(step, {f"valid/{name}": x for name, x in figures.items()})
      save(state, progress, loss)
      since = time.monotonic()
      if stopped or 0 < train.early_stop <= progress.stale:
        break
  return stopped
