"""What a training run needs to know of one kind of model."""

import dataclasses
import functools
from collections.abc import Callable
from typing import Any

import jax
import numpy as np
from clu import metrics as clu_metrics

from musegen_jax import config as config_lib
from musegen_jax.data import shards, window_batches, windows
from musegen_jax.data.batches import Batch
from musegen_jax.data.codecs.codec import Codec
from musegen_jax.data.notes import Piece
from musegen_jax.training import parallel, steps
from musegen_jax.training import state as state_lib


@dataclasses.dataclass(frozen=True)
class Validation:
  """One look at the validation split.

  Attributes:
    figures: by name; `loss` decides which checkpoint is best.
    vectors: arrays [N] by name, such as the KL of each latent dimension.
    warnings: a line each, for the user's eyes.
  """

  figures: dict[str, float]
  vectors: dict[str, np.ndarray] = dataclasses.field(default_factory=dict)
  warnings: tuple[str, ...] = ()


@dataclasses.dataclass(frozen=True)
class Task:
  """One kind of model on its data.

  Attributes:
    init_params: seed -> fresh parameters.
    zero_carry: rows -> the state before a row's first window, or None where
      windows do not continue each other.
    batch_at: step -> this process's rows, pure.
    steps_per_epoch: after which the training split was seen about once.
    loss: of a batch.
    metrics: what to make of the loss's outputs.
    validate: (parameters once for each device, step) -> figures; all processes
      call it together and get the same.
    count_notes: notes that begin in a batch, for the speed shown.
    preview: (parameters, step) -> a piece the model makes.
    overview: lines about the data.
    unit: of the validation loss.
  """

  init_params: Callable[[int], state_lib.Params]
  zero_carry: Callable[[int], state_lib.Carry | None]
  batch_at: Callable[[int], Batch]
  steps_per_epoch: int
  loss: steps.Loss
  metrics: type[clu_metrics.Collection]
  validate: Callable[[list[state_lib.Params], int], Validation]
  count_notes: Callable[[Batch], int]
  preview: Callable[[state_lib.Params, int], Piece]
  overview: tuple[str, ...]
  unit: str


def draw_params(
  network: Any, seed: int, *inputs: Any, **named: Any
) -> state_lib.Params:
  """Parameters drawn from a seed; they do not depend on the batch.

  Args:
    network: a Flax module.
    seed: of the draw.
    *inputs: arrays the module is shown.
    **named: settings of the call, `method` among them.
  """
  init = jax.jit(functools.partial(network.init, **named))
  return init(state_lib.init_key(seed), *inputs)["params"]


def count_tokens(codec: Codec) -> Callable[[Batch], int]:
  """What counts the notes of a batch of tokens."""
  note_counts = codec.grammar.note_counts
  return lambda batch: int(note_counts[batch["targets"]].sum())


def data_line(name: str, size: str, skipped: dict[str, int]) -> str:
  """A line on one split: what it holds and what was left out, by reason."""
  left_out = "".join(
    f"; left out, {reason}: {count}" for reason, count in skipped.items()
  )
  return f"{name}: {size}{left_out}"


def window_data(
  config: config_lib.Config, codec: Codec, dataset: shards.Dataset
) -> tuple[Callable[[int], Batch], int, windows.Windows, tuple[str, ...]]:
  """Windows of a data set: batch_at, steps an epoch, the validation split and
  a line on each split."""
  train, data = config.train, config.data
  splits = {
    name: windows.encode_split(
      dataset, name, codec, train.window, data.windows_per_piece
    )
    for name in ("train", "valid")
  }
  batch_at = window_batches.make_window_batch_at(
    splits["train"],
    codec,
    batch_size=train.batch_size,
    transpose_semitones=data.transpose_semitones,
    seed=train.seed,
    rows=parallel.own_rows(train.batch_size),
  )
  overview = tuple(
    data_line(
      name, f"{len(split)} windows of {len(split.rows)} pieces", split.skipped
    )
    for name, split in splits.items()
  )
  epoch = window_batches.steps_per_epoch(splits["train"], train.batch_size)
  return batch_at, epoch, splits["valid"], overview
