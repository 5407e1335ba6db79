"""What a training run is made of: task, optimiser, what it starts from."""

import dataclasses
from collections.abc import Callable

import jax
import optax
from clu import parameter_overview

from musegen_jax import config as config_lib
from musegen_jax.data import shards
from musegen_jax.data.codecs import codec as codec_lib
from musegen_jax.errors import UserError
from musegen_jax.training import (
  checkpoints,
  frame_task,
  language_task,
  optimizer,
  parallel,
  vae_task,
)
from musegen_jax.training import state as state_lib
from musegen_jax.training.task import Task

TASKS = {"lstm": language_task, "vae": vae_task, "frames": frame_task}


@dataclasses.dataclass(frozen=True)
class Setup:
  """Everything but the loop.

  Attributes:
    config: of the run.
    meta: JSON for every checkpoint: config, vocabulary and data.
    task: the model on its data.
    params: what training starts from, on the host.
    tx: the optimiser.
  """

  config: config_lib.Config
  meta: dict
  task: Task
  params: state_lib.Params
  tx: optax.GradientTransformation

  def initial_state(self) -> state_lib.State:
    """The whole-batch state before the first step, on the host."""
    carry = self.task.zero_carry(self.config.train.batch_size)
    # As one program: a call for each of the optimiser's arrays takes longer.
    init = jax.jit(state_lib.init, static_argnums=0)
    return jax.device_get(init(self.tx, self.params, carry))

  def steps_fn(self) -> Callable:
    """Updates, over all devices: (state, the rows of a `calls.Call`) ->
    (state, the metrics of each step)."""
    return parallel.pmap_steps(
      loss=self.task.loss,
      metrics=self.task.metrics,
      tx=self.tx,
      accumulate=self.config.train.accumulate,
    )

  def with_config(self, config: config_lib.Config) -> "Setup":
    """The same run under a config that differs in `train.steps` alone."""
    return dataclasses.replace(
      self,
      config=config,
      meta=self.meta | {"config": dataclasses.asdict(config)},
      tx=optimizer.make(config.optimizer, config.train.steps, self.params),
    )

  def overview(self) -> str:
    """Parameters, data and length of the run as text."""
    table = parameter_overview.get_parameter_overview(
      self.params, include_stats=False
    )
    length = (
      f"{self.task.steps_per_epoch} steps an epoch,"
      f" {self.config.train.steps} steps in all"
    )
    return "\n".join([table, *self.task.overview, length])


def prepare(config: config_lib.Config, init_from: str) -> Setup:
  """Reads the data and builds the parts; raises UserError where they do not
  fit together."""
  codec = codec_lib.of(config.data.codec, config.data.steps_per_beat)
  dataset = shards.open_dataset(config.data.data_dir)
  task = TASKS[config.model.kind].make(config, codec, dataset)
  params = starting_params(task, config.train.seed, init_from, codec)
  return Setup(
    config=config,
    meta={
      "config": dataclasses.asdict(config),
      "vocabulary_hash": codec.vocabulary_hash,
      "data_fingerprint": dataset.index["fingerprint"],
    },
    task=task,
    params=params,
    tx=optimizer.make(config.optimizer, config.train.steps, params),
  )


def starting_params(
  task: Task, seed: int, init_from: str, codec: codec_lib.Codec
) -> state_lib.Params:
  """Fresh parameters, or those of another run's checkpoint.

  Raises UserError where the checkpoint is of another vocabulary or size.
  """
  params = jax.device_get(task.init_params(seed))
  if not init_from:
    return params
  loaded = checkpoints.load(init_from)
  if loaded.meta["vocabulary_hash"] != codec.vocabulary_hash:
    data = config_lib.from_dict(loaded.meta["config"]).data
    raise UserError(
      f"--init_from={init_from} has another vocabulary: set"
      f" --config.data.codec={data.codec}"
      f" --config.data.steps_per_beat={data.steps_per_beat}, as it had"
    )
  ours = jax.tree.map(lambda a: list(a.shape), params)
  theirs = jax.tree.map(lambda a: list(a.shape), loaded.params)
  lines = config_lib.differences(theirs, ours)
  if lines:
    raise UserError(
      f"--init_from={init_from} has other shapes: {'; '.join(lines)}; set"
      " --config.model, --config.vae or --config.frames to that run's"
    )
  return jax.device_get(loaded.params)
