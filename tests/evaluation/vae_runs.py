"""Checkpoints that nobody trained, of a VAE and of its peer."""

import dataclasses
import pathlib
import types

import jax
import jax.numpy as jnp
import numpy as np

from musegen_jax import config as config_lib
from musegen_jax.data import shards
from musegen_jax.data.codecs import codec as codec_lib
from musegen_jax.models import language_model
from tests.evaluation import tiny_vae


def _checkpoint(
  config: config_lib.Config, params: dict, workdir: pathlib.Path
) -> types.SimpleNamespace:
  codec = codec_lib.load(config.data.codec)
  dataset = shards.open_dataset(config.data.data_dir)
  path = workdir / "checkpoints" / "7"
  path.mkdir(parents=True)
  meta = {
    "config": dataclasses.asdict(config),
    "vocabulary_hash": codec.vocabulary_hash,
    "data_fingerprint": dataset.index["fingerprint"],
  }
  params = jax.tree.map(np.asarray, params)
  return types.SimpleNamespace(params=params, meta=meta, step=7, path=path)


def vae_run(
  data_dir: pathlib.Path, workdir: pathlib.Path
) -> types.SimpleNamespace:
  """A checkpoint of a VAE of 3 dimensions on 2 bars of melody."""
  config = tiny_vae.config()
  config.data.data_dir = str(data_dir)
  return _checkpoint(config, tiny_vae.init(), workdir)


def lstm_run(
  data_dir: pathlib.Path, workdir: pathlib.Path
) -> types.SimpleNamespace:
  """A checkpoint of a language model of the same windows."""
  config = tiny_vae.config()
  config.data.data_dir, config.model.kind = str(data_dir), "lstm"
  model = language_model.from_config(config.model, codec_lib.load("melody"))
  tokens, carry = jnp.zeros((1, 1), jnp.int32), model.zero_carry(1)
  params = model.init(jax.random.key(0), tokens, carry)["params"]
  return _checkpoint(config, params, workdir)
