"""What a training run is made of: data, vocabulary, network, optimiser."""

import dataclasses

import jax
import optax
from clu import parameter_overview

from musegen_jax import config as config_lib
from musegen_jax.data import batches, corpus, shards
from musegen_jax.data.codecs import codec as codec_lib
from musegen_jax.errors import UserError
from musegen_jax.models import language_model
from musegen_jax.training import checkpoints, optimizer
from musegen_jax.training import state as state_lib


@dataclasses.dataclass(frozen=True)
class Setup:
  """Everything but the loop.

  Attributes:
    config: of the run.
    meta: JSON for every checkpoint: config, vocabulary and data.
    codec: of the tokens.
    variants: the training split, once for each time stretch.
    valid: the validation split.
    model: the network.
    params: what training starts from, on the host.
    tx: the optimiser.
  """

  config: config_lib.Config
  meta: dict
  codec: codec_lib.Codec
  variants: list[corpus.Corpus]
  valid: corpus.Corpus
  model: language_model.LanguageModel
  params: state_lib.Params
  tx: optax.GradientTransformation

  def initial_state(self) -> state_lib.State:
    """The whole-batch state before the first step, on the host."""
    return jax.device_get(
      state_lib.init(
        self.model, self.tx, self.config.train.batch_size, self.params
      )
    )

  def overview(self) -> str:
    """Parameters, data and length of the run as text."""
    table = parameter_overview.get_parameter_overview(
      self.params, include_stats=False
    )
    lines = [table]
    for name, split in (("train", self.variants[0]), ("valid", self.valid)):
      left_out = "".join(
        f"; left out, {reason}: {n}" for reason, n in split.skipped.items()
      )
      lines.append(
        f"{name}: {len(split)} pieces, {len(split.tokens)} tokens{left_out}"
      )
    train = self.config.train
    epoch = batches.steps_per_epoch(
      self.variants[0], train.batch_size, train.window
    )
    lines.append(f"{epoch} steps an epoch, {train.steps} steps in all")
    return "\n".join(lines)


def prepare(config: config_lib.Config, init_from: str) -> Setup:
  """Reads the data and builds the parts; raises UserError where they do not
  fit together."""
  codec = codec_lib.load(config.data.codec)
  dataset = shards.open_dataset(config.data.data_dir)
  model = language_model.from_config(config.model, codec)
  params = starting_params(model, config.train.seed, init_from, codec)
  return Setup(
    config=config,
    meta={
      "config": dataclasses.asdict(config),
      "vocabulary_hash": codec.vocabulary_hash,
      "data_fingerprint": dataset.index["fingerprint"],
    },
    codec=codec,
    variants=encode_variants(dataset, config, codec),
    valid=corpus.encode_split(
      dataset, "valid", codec, shuffle_seed=config.shuffle_seed
    ),
    model=model,
    params=params,
    tx=optimizer.make(config.optimizer, config.train.steps, params),
  )


def stretches(stretch: float) -> list[float]:
  """Time factors of the training variants, the plain one first."""
  if not stretch:
    return [1.0]
  return [1.0, 1 - stretch, 1 - stretch / 2, 1 + stretch / 2, 1 + stretch]


def encode_variants(
  dataset: shards.Dataset, config: config_lib.Config, codec: codec_lib.Codec
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


def starting_params(
  model: language_model.LanguageModel,
  seed: int,
  init_from: str,
  codec: codec_lib.Codec,
) -> state_lib.Params:
  """Fresh parameters, or those of another run's checkpoint.

  Raises UserError where the checkpoint is of another vocabulary or size.
  """
  params = jax.device_get(state_lib.init_params(model, seed))
  if not init_from:
    return params
  loaded = checkpoints.load(init_from)
  if loaded.meta["vocabulary_hash"] != codec.vocabulary_hash:
    raise UserError(
      f"--init_from={init_from} was trained with codec"
      f" {loaded.meta['config']['data']['codec']!r}, not {codec.name!r}; set"
      " --config.data.codec to it"
    )
  ours = jax.tree.map(lambda a: list(a.shape), params)
  theirs = jax.tree.map(lambda a: list(a.shape), loaded.params)
  lines = config_lib.differences(theirs, ours)
  if lines:
    raise UserError(
      f"--init_from={init_from} has other shapes: {'; '.join(lines)}; set"
      " --config.model to that run's"
    )
  return jax.device_get(loaded.params)
