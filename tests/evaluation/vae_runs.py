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
from musegen_jax.models import language_model, vae


def _config(data_dir: pathlib.Path) -> config_lib.Config:
  config = config_lib.Config()
  config.data = config_lib.Data(
    data_dir=str(data_dir), codec="melody", unit="window", windows_per_piece=4
  )
  config.model = config_lib.Model(
    embedding_size=6, hidden_size=8, layers=1, dropout=0.0
  )
  config.vae = config_lib.Vae(latent_size=3, encoder_size=5)
  config.train.window = 32
  return config


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
  config = _config(data_dir)
  config.model.kind = "vae"
  model = vae.from_config(config, codec_lib.load("melody"))
  tokens = jnp.zeros((1, 32), jnp.int32)
  params = model.init(jax.random.key(0), tokens, tokens, jnp.zeros((1, 3)))
  return _checkpoint(config, params["params"], workdir)


def lstm_run(
  data_dir: pathlib.Path, workdir: pathlib.Path
) -> types.SimpleNamespace:
  """A checkpoint of a language model of the same windows."""
  config = _config(data_dir)
  model = language_model.from_config(config.model, codec_lib.load("melody"))
  tokens, carry = jnp.zeros((1, 1), jnp.int32), model.zero_carry(1)
  params = model.init(jax.random.key(0), tokens, carry)["params"]
  return _checkpoint(config, params, workdir)
