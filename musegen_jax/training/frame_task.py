"""Training a model of frames: its data, loss, validation and preview.

Letters: B rows of this device, T window, F frames of a split.
"""

from collections.abc import Mapping

import jax
import jax.numpy as jnp
import numpy as np

from musegen_jax import config as config_lib
from musegen_jax.data import frame_batches, shards
from musegen_jax.data import frames as rolls_lib
from musegen_jax.data.batches import Batch
from musegen_jax.data.codecs.codec import Codec
from musegen_jax.data.frames import Rolls
from musegen_jax.data.notes import Piece
from musegen_jax.evaluation import frame_likelihood, frame_rules
from musegen_jax.models import frame_features, frames
from musegen_jax.models.frame_features import Features, Heard
from musegen_jax.sampling import frame_decode
from musegen_jax.training import metrics, parallel, steps
from musegen_jax.training import state as state_lib
from musegen_jax.training import task as task_lib
from musegen_jax.training.task import Task, Validation

# Frames of the piece drawn at each evaluation for TensorBoard.
PREVIEW = 64


def dropout_masks(
  key: jax.Array,
  rows: jax.Array,
  window: int,
  model: frames.FrameModel,
  dropout: float,
  input_dropout: float,
) -> frames.Masks:
  """Factors for a batch, each row's drawn from its number in the whole batch,
  so that the number of devices changes nothing.

  `input_dropout` is the share that is lost of what is heard of the past,
  `dropout` of what the LSTMs and the head's hidden units say.
  """
  heard = frames.LOCAL, model.keys
  said = model.key_size, model.context_size, model.head_size, model.head_size
  shares = np.repeat([input_dropout, dropout], [sum(heard), sum(said)])

  def row_masks(row: jax.Array) -> jax.Array:
    uniforms = jax.random.uniform(
      jax.random.fold_in(key, row), (window, len(shares))
    )
    return uniforms >= shares[None]

  kept = jax.vmap(row_masks, out_axes=1)(rows)
  factors = kept.astype(model.dtype) / (1 - shares)[None, None]
  ends = np.cumsum(heard + said)[:-1]
  *parts, first, second = jnp.split(factors.astype(model.dtype), ends, axis=-1)
  return frames.Masks(*parts, jnp.stack([first, second]))


def make_loss(
  model: frames.FrameModel,
  dropout: float,
  input_dropout: float,
  seed: int | jax.Array,
) -> steps.Loss:
  """Nats of frames, with dropout as `dropout_masks` has it."""

  def loss(
    params: state_lib.Params,
    rows: dict[str, jax.Array],
    carry: frames.FrameCarry,
    step: jax.Array,
  ) -> tuple[jax.Array, tuple[steps.Outputs, frames.FrameCarry]]:
    masks = None
    if dropout or input_dropout:
      key = state_lib.step_key(seed, state_lib.DROPOUT, step)
      window = rows["inputs"].shape[1]
      masks = dropout_masks(
        key, rows["row"], window, model, dropout, input_dropout
      )
    nll, carry, _ = model.apply(
      {"params": params},
      Features(rows["inputs"], rows["counts"], rows["position"]),
      rows["targets"],
      carry,
      reset=rows["reset"],
      masks=masks,
    )
    return (nll * rows["mask"]).sum(), ({"nll": nll}, carry)

  return loss


def as_batch(rows: Heard, reset: jax.Array) -> Batch:
  """What the loss takes, from the frames of a batch and `reset` [B, T]."""
  features = rows.features
  return {
    "inputs": features.keys,
    "counts": features.frame,
    "position": features.position,
    "targets": rows.frames,
    "reset": reset,
    "mask": np.ones(reset.shape, np.float32),
  }


def init_params(model: frames.FrameModel, seed: int) -> state_lib.Params:
  """Parameters drawn from a seed."""
  features = Features(
    keys=jnp.zeros((1, 1, model.keys, frame_features.KEY_FEATURES), jnp.uint8),
    frame=jnp.zeros((1, 1, frame_features.FRAME_FEATURES), jnp.uint8),
    position=jnp.zeros((1, 1), jnp.int32),
  )
  silence = jnp.zeros((1, 1, rolls_lib.KEYS), jnp.uint8)
  return task_lib.draw_params(
    model,
    seed,
    features,
    silence,
    model.zero_carry(1),
    reset=jnp.zeros((1, 1), bool),
  )


def rows_at(
  config: config_lib.Config,
  model: frames.FrameModel,
  train: Rolls,
  seed: int,
  rows: slice = slice(None),
) -> frame_batches.RowsAt:
  """Where the frames of each step's batch stand in the training split."""
  return frame_batches.make_rows_at(
    train,
    batch_size=config.train.batch_size,
    window=config.train.window,
    low=model.low,
    keys=model.keys,
    transpose_semitones=config.data.transpose_semitones,
    seed=seed,
    rows=rows,
  )


def left_out(split: Rolls, model: frames.FrameModel) -> dict[str, int]:
  """What a model cannot learn of a split, by reason: pieces that the codec
  could not say, and sounding cells outside the model's range."""
  beyond = np.ones(rolls_lib.KEYS, bool)
  beyond[model.low : model.low + model.keys] = False
  count = int((split.frames[:, beyond] > 0).sum())
  outside = "sounding cells outside frames.lowest_pitch..highest_pitch"
  return split.skipped | ({outside: count} if count else {})


def overview(
  splits: Mapping[str, Rolls], model: frames.FrameModel
) -> tuple[str, ...]:
  """A line on each split."""
  return tuple(
    task_lib.data_line(
      name,
      f"{len(split)} pieces, {len(split.frames)} frames",
      left_out(split, model),
    )
    for name, split in splits.items()
  )


def make(
  config: config_lib.Config, codec: Codec, dataset: shards.Dataset
) -> Task:
  """The task of a config; raises UserError where data and codec do not fit."""
  model = frames.from_config(config)
  train = config.train
  splits = {
    name: rolls_lib.from_dataset(dataset, codec, name)
    for name in ("train", "valid")
  }
  heard = {
    name: frame_features.of_rolls(split, model.low, model.keys, name)
    for name, split in splits.items()
  }
  own = parallel.own_rows(train.batch_size)
  where = rows_at(config, model, splits["train"], train.seed, own)

  def batch_at(step: int) -> Batch:
    rows = where(step)
    chosen = frame_features.take(heard["train"], rows.index, rows.shift)
    return as_batch(chosen, rows.reset)

  lengths = splits["valid"].lengths
  valid = jax.device_put(heard["valid"])
  own_pieces = range(jax.process_index(), len(lengths), jax.process_count())

  def validate(by_device: list[state_lib.Params], step: int) -> Validation:
    del step
    # On one device of each process: every other would need its own copy of all
    # that is heard, for what takes a small part of the time.
    nll = frame_likelihood.score(
      model, by_device[0], valid, lengths, pieces=own_pieces
    )
    nll = parallel.sum_over_processes(nll)
    return Validation({"loss": frame_rules.averages(nll, lengths)["b"]})

  def preview(params: state_lib.Params, step: int) -> Piece:
    roll = frame_decode.sample(
      params,
      model,
      indices=np.array([step]),
      primers=[np.zeros((0, rolls_lib.KEYS), np.uint8)],
      length=PREVIEW,
      temperature=1.0,
      seed=train.seed,
    )[0]
    return codec.decode(rolls_lib.to_tokens(roll, codec))

  return Task(
    init_params=lambda seed: init_params(model, seed),
    zero_carry=model.zero_carry,
    batch_at=batch_at,
    steps_per_epoch=frame_batches.steps_per_epoch(
      splits["train"], train.batch_size, train.window
    ),
    loss=make_loss(
      model, config.model.dropout, config.frames.input_dropout, train.seed
    ),
    metrics=metrics.FrameMetrics,
    validate=validate,
    count_notes=lambda batch: int((batch["targets"] == rolls_lib.STRUCK).sum()),
    preview=preview,
    overview=overview(splits, model),
    unit="nats a frame, the first of each piece not counted",
  )
