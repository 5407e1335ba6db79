"""Training a language model: its data, loss, validation and preview.

Letters: B rows of this device, T window, L layers, H LSTM units.
"""

from collections.abc import Callable

import jax
import numpy as np

from musegen_jax import config as config_lib
from musegen_jax.data import batches, corpus, shards
from musegen_jax.data.codecs.codec import Codec
from musegen_jax.data.notes import Piece
from musegen_jax.errors import UserError
from musegen_jax.evaluation import likelihood, window_likelihood
from musegen_jax.models import language_model
from musegen_jax.models.lstm import LSTMCarry
from musegen_jax.sampling import decode, strategies
from musegen_jax.training import metrics, parallel, steps
from musegen_jax.training import state as state_lib
from musegen_jax.training import task as task_lib
from musegen_jax.training.task import Task, Validation

# The piece drawn at each evaluation for TensorBoard.
PREVIEW = decode.Lengths(seconds=15.0, min_seconds=5.0, note_seconds=5.0)


def make_loss(
  model: language_model.LanguageModel, dropout: float, seed: int
) -> steps.Loss:
  """Nats of the next tokens, with `dropout` on each layer's outputs."""

  def loss(
    params: state_lib.Params,
    rows: dict[str, jax.Array],
    carry: LSTMCarry,
    step: jax.Array,
  ) -> tuple[jax.Array, tuple[steps.Outputs, LSTMCarry]]:
    masks = None
    if dropout:
      key = state_lib.step_key(seed, state_lib.DROPOUT, step)
      window = rows["inputs"].shape[1]
      masks = steps.dropout_masks(key, rows["row"], window, model, dropout)
    scores, carry = model.apply(
      {"params": params},
      rows["inputs"],
      carry,
      rows["targets"],
      rows["mask"],
      reset=rows["reset"],
      output_masks=masks,
      position=rows.get("position"),
      method="score",
    )
    outputs = {"nll": scores.nll, "correct": scores.correct}
    return scores.total, (outputs, carry)

  return loss


def make(
  config: config_lib.Config, codec: Codec, dataset: shards.Dataset
) -> Task:
  """The task of a config; raises UserError where data and codec do not fit."""
  model = language_model.from_config(config.model, codec)
  train = config.train
  by_unit = _on_windows if config.data.unit == "window" else _on_pieces
  batch_at, epoch, validate, overview = by_unit(config, codec, dataset, model)

  def init_params(seed: int) -> state_lib.Params:
    return task_lib.draw_params(model, seed, method="params")

  def preview(params: state_lib.Params, step: int) -> Piece:
    tokens = decode.sample(
      language_model.step_params(params, model.dtype),
      model,
      codec,
      indices=np.array([step]),
      primers=[np.zeros(0, np.int16)],
      lengths=PREVIEW,
      strategy=strategies.Strategy(),
      seed=train.seed,
    )[0]
    return codec.decode(tokens)

  return Task(
    init_params=init_params,
    zero_carry=model.zero_carry,
    batch_at=batch_at,
    steps_per_epoch=epoch,
    loss=make_loss(model, config.model.dropout, train.seed),
    metrics=metrics.TrainMetrics,
    validate=validate,
    count_notes=task_lib.count_tokens(codec),
    preview=preview,
    overview=overview,
    unit="nats an event",
  )


Validate = Callable[[list[state_lib.Params], int], Validation]
Parts = tuple[Callable[[int], batches.Batch], int, Validate, tuple[str, ...]]


def _on_pieces(
  config: config_lib.Config,
  codec: Codec,
  dataset: shards.Dataset,
  model: language_model.LanguageModel,
) -> Parts:
  train = config.train
  variants = encode_variants(dataset, config, codec)
  valid = corpus.encode_split(
    dataset, "valid", codec, shuffle_seed=config.shuffle_seed
  )
  batch_at = batches.make_batch_at(
    variants,
    codec,
    batch_size=train.batch_size,
    window=train.window,
    carry_state=train.carry_state,
    transpose_semitones=config.data.transpose_semitones,
    seed=train.seed,
    rows=parallel.own_rows(train.batch_size),
  )

  def validate(by_device: list[state_lib.Params], step: int) -> Validation:
    del step
    own = range(jax.process_index(), len(valid), jax.process_count())
    scores = likelihood.score(model, by_device, valid, codec, pieces=list(own))
    return _mean_loss(scores.nll, scores.events)

  overview = tuple(
    task_lib.data_line(
      name, f"{len(split)} pieces, {len(split.tokens)} tokens", split.skipped
    )
    for name, split in (("train", variants[0]), ("valid", valid))
  )
  epoch = batches.steps_per_epoch(variants[0], train.batch_size, train.window)
  return batch_at, epoch, validate, overview


def _on_windows(
  config: config_lib.Config,
  codec: Codec,
  dataset: shards.Dataset,
  model: language_model.LanguageModel,
) -> Parts:
  batch_at, epoch, valid, overview = task_lib.window_data(
    config, codec, dataset
  )
  own = valid.tokens[jax.process_index() :: jax.process_count()]

  def validate(by_device: list[state_lib.Params], step: int) -> Validation:
    del step
    scores = window_likelihood.score(model, by_device[0], own, codec)
    return _mean_loss(scores.nll, scores.events)

  return batch_at, epoch, validate, overview


def _mean_loss(nll: np.ndarray, events: np.ndarray) -> Validation:
  """Nats per event over the shares of all processes."""
  sums = parallel.sum_over_processes(np.array([nll.sum(), events.sum()]))
  return Validation({"loss": float(sums[0] / sums[1])})


def stretches(stretch: float) -> list[float]:
  """Time factors of the training variants, the plain one first."""
  if not stretch:
    return [1.0]
  return [1.0, 1 - stretch, 1 - stretch / 2, 1 + stretch / 2, 1 + stretch]


def encode_variants(
  dataset: shards.Dataset, config: config_lib.Config, codec: Codec
) -> list[corpus.Corpus]:
  """The training split, once for each time stretch."""
  if config.data.stretch and not codec.stretchable:
    raise UserError(
      f"config: codec {codec.name!r} lies on a metrical grid and cannot be"
      " stretched; set data.stretch to 0"
    )
  return [
    corpus.encode_split(
      dataset,
      "train",
      codec,
      stretch=stretch,
      shuffle_seed=config.shuffle_seed,
    )
    for stretch in stretches(config.data.stretch)
  ]
