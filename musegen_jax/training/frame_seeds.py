"""Several seeds of a model of frames trained at once, data on the device.

A dispatch scans all steps up to the next validation, for every seed by vmap.
Letters: S seeds, n steps of a dispatch, B rows, T window, F frames.
"""

import dataclasses
import functools
import time
from collections.abc import Callable, Mapping, Sequence

import jax
import jax.numpy as jnp
import numpy as np
import optax

from musegen_jax import config as config_lib
from musegen_jax.data import frame_batches
from musegen_jax.data.frames import Rolls
from musegen_jax.errors import UserError
from musegen_jax.evaluation import frame_likelihood, frame_rules
from musegen_jax.models import frame_features, frames
from musegen_jax.models.frame_features import Heard
from musegen_jax.training import frame_task, metrics, optimizer, steps
from musegen_jax.training import state as state_lib


@dataclasses.dataclass(frozen=True)
class SeedResult:
  """What one seed came to.

  Attributes:
    seed: of initialisation, order, shifts and dropout.
    best_step: updates behind the checkpoint that validation picked.
    valid: its mean nats of frames 2..T of the validation split.
    nll: by split, nats of every frame, float64 [F].
    params: the checkpoint's parameters, on the host.
  """

  seed: int
  best_step: int
  valid: float
  nll: dict[str, np.ndarray]
  params: state_lib.Params


@dataclasses.dataclass(frozen=True)
class Trained:
  """All seeds of a study.

  Attributes:
    seeds: in the order asked for.
    curve: a dict an evaluation: step, epoch, seconds since the start, and lists
      over seeds of the mean nats of frames in training and validation.
    parameters: of one seed.
    seconds: of training and validation, of all seeds together.
  """

  seeds: list[SeedResult]
  curve: list[dict]
  parameters: int
  seconds: float


def at_once(seeds: int) -> int:
  """How many of so many seeds to train together on this machine: a CPU is busy
  with one, and its products with a batch axis take longer."""
  return 1 if jax.default_backend() == "cpu" else seeds


def hear(
  config: config_lib.Config, splits: Mapping[str, Rolls]
) -> dict[str, Heard]:
  """The splits on the device, with the features that the config's range of keys
  gives."""
  model = frames.from_config(config)
  return {
    name: jax.device_put(
      frame_features.of_rolls(split, model.low, model.keys, name)
    )
    for name, split in splits.items()
  }


def train(
  config: config_lib.Config,
  splits: Mapping[str, Rolls],
  seeds: Sequence[int],
  log: Callable[[str], None],
  heard: Mapping[str, Heard] | None = None,
) -> Trained:
  """Trains a config with several seeds and scores the picked checkpoints.

  Args:
    config: of the study; its own seed and early stopping are not used.
    splits: train and valid; every other split is scored once at the end.
    seeds: S of them.
    log: takes a line at every validation.
    heard: what `hear` made of the splits, where several calls share it.

  Raises UserError where a loss is not finite.
  """
  model = frames.from_config(config)
  heard = heard or hear(config, splits)
  for reason, count in frame_task.left_out(splits["train"], model).items():
    log(f"left out of the training split, {reason}: {count}")
  params = [frame_task.init_params(model, seed) for seed in seeds]
  tx = optimizer.make(config.optimizer, config.train.steps, params[0])
  carry = model.zero_carry(config.train.batch_size)
  state = _stack([state_lib.init(tx, each, carry) for each in params])
  run = _make_dispatch(config, model, tx)
  rows_at = [
    frame_task.rows_at(config, model, splits["train"], seed) for seed in seeds
  ]
  epoch = frame_batches.steps_per_epoch(
    splits["train"], config.train.batch_size, config.train.window
  )
  best: list[tuple[float, int, dict]] = [(np.inf, 0, {})] * len(seeds)
  curve, start = [], time.monotonic()
  for first, last in _dispatches(config.train):
    rows = _rows(rows_at, range(first, last))
    state, losses = run(state, jnp.asarray(seeds), heard["train"], rows)
    losses = np.asarray(losses)
    _check_finite(losses, first, seeds)
    valid = []
    for number, seed in enumerate(seeds):
      own = jax.tree.map(lambda array, at=number: array[at], state.params)
      valid.append(_valid_loss(model, own, heard, splits))
      # The last of these steps was not followed by another's loss.
      _check_finite(np.array([[valid[-1]]]), last - 1, [seed])
      if valid[-1] < best[number][0]:
        best[number] = valid[-1], last, jax.device_get(own)
    curve.append(
      {
        "step": last,
        "epoch": last / epoch,
        "seconds": time.monotonic() - start,
        "train": losses.mean(1).tolist(),
        "valid": valid,
      }
    )
    log(_line(curve[-1]))
  seconds = time.monotonic() - start
  results = []
  for seed, (valid_loss, step, own) in zip(seeds, best, strict=True):
    nll = {
      name: frame_likelihood.score(model, own, heard[name], split.lengths)
      for name, split in splits.items()
      if name != "train"
    }
    results.append(SeedResult(seed, step, valid_loss, nll, own))
  count = sum(array.size for array in jax.tree.leaves(params[0]))
  return Trained(results, curve, count, seconds)


def _valid_loss(
  model: frames.FrameModel,
  params: state_lib.Params,
  heard: Mapping[str, Heard],
  splits: Mapping[str, Rolls],
) -> float:
  """Mean nats of frames 2..T of the validation split."""
  lengths = splits["valid"].lengths
  nll = frame_likelihood.score(model, params, heard["valid"], lengths)
  return frame_rules.averages(nll, lengths)["b"]


def _dispatches(settings: config_lib.Train) -> list[tuple[int, int]]:
  """First and last step of each run up to a validation."""
  lasts = range(
    settings.evaluate_every, settings.steps, settings.evaluate_every
  )
  ends = [*lasts, settings.steps]
  return list(zip([0, *ends[:-1]], ends, strict=True))


def _stack(states: Sequence[state_lib.State]) -> state_lib.State:
  return jax.tree.map(lambda *each: jnp.stack(each), *states)


def _rows(
  rows_at: Sequence[frame_batches.RowsAt], chosen: range
) -> dict[str, np.ndarray]:
  """Arrays [S, n, B, T] of where the frames of all steps stand."""
  every = [[at(step) for step in chosen] for at in rows_at]
  return {
    name: np.array([[getattr(rows, name) for rows in each] for each in every])
    for name in ("index", "shift", "reset")
  }


def _make_dispatch(
  config: config_lib.Config,
  model: frames.FrameModel,
  tx: optax.GradientTransformation,
) -> Callable:
  """(states, seeds [S], the training split, rows) -> states and the mean nats
  of every step [S, n]."""
  moves = config.data.transpose_semitones > 0

  def one_seed(
    state: state_lib.State, seed: jax.Array, heard: Heard, rows: dict
  ) -> tuple[state_lib.State, jax.Array]:
    update = functools.partial(
      steps.train_step,
      loss=frame_task.make_loss(
        model, config.model.dropout, config.frames.input_dropout, seed
      ),
      metrics=metrics.FrameMetrics,
      tx=tx,
      accumulate=config.train.accumulate,
      axis=None,
    )

    def step(state: state_lib.State, row: dict) -> tuple:
      shift = row["shift"] if moves else None
      chosen = frame_features.take(heard, row["index"], shift)
      batch = frame_task.as_batch(chosen, row["reset"])
      state, figures = update(state, batch)
      return state, figures.loss.compute()

    return jax.lax.scan(step, state, rows)

  def every_seed(
    states: state_lib.State, seeds: jax.Array, heard: Heard, rows: dict
  ) -> tuple[state_lib.State, jax.Array]:
    if len(seeds) > 1:
      return jax.vmap(one_seed, in_axes=(0, 0, None, 0))(
        states, seeds, heard, rows
      )
    # On a CPU a vmap of one takes twice as long as none.
    first = jax.tree.map(lambda array: array[0], (states, seeds, rows))
    result = one_seed(first[0], first[1], heard, first[2])
    return jax.tree.map(lambda array: array[None], result)

  return jax.jit(every_seed, donate_argnums=0)


def _check_finite(losses: np.ndarray, first: int, seeds: Sequence[int]) -> None:
  bad = np.argwhere(~np.isfinite(losses))
  if len(bad):
    number, step = bad[bad[:, 1].argmin()]
    raise UserError(
      f"seed {seeds[number]}, step {first + step}: the loss is"
      f" {losses[number, step]}; lower --config.optimizer.learning_rate"
    )


def _line(row: dict) -> str:
  train = " ".join(f"{value:.3f}" for value in row["train"])
  valid = " ".join(f"{value:.3f}" for value in row["valid"])
  return (
    f"step {row['step']}, epoch {row['epoch']:.1f}, {row['seconds']:.0f} s:"
    f" train {train}, valid {valid}"
  )
