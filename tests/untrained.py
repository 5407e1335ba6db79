"""Checkpoints of small networks with random weights."""

import dataclasses
import functools
import pathlib

import jax
import jax.numpy as jnp
import numpy as np

from musegen_jax import config as config_lib
from musegen_jax.data import shards
from musegen_jax.data.codecs import codec as codec_lib
from musegen_jax.models import frames, language_model, vae
from musegen_jax.training import checkpoints
from tests.models import toy_frames

LENGTH = 32


def config(dataset: pathlib.Path, codec: str, kind: str) -> config_lib.Config:
  """Two bars of a codec, eight units, three latent dimensions."""
  chosen = config_lib.Config()
  chosen.data.data_dir = str(dataset)
  chosen.data.codec, chosen.data.unit = codec, "window"
  chosen.model = config_lib.Model(
    kind=kind, embedding_size=6, hidden_size=8, layers=1
  )
  chosen.vae = config_lib.Vae(latent_size=3, encoder_size=8)
  chosen.frames = config_lib.Frames(
    key_size=3, context_size=3, head_size=6, lowest_pitch=48, highest_pitch=71
  )
  chosen.train.window = LENGTH
  return chosen


def checkpoint(
  dataset: pathlib.Path,
  folder: pathlib.Path,
  codec: str = "melody",
  kind: str = "vae",
  unit: str = "window",
) -> checkpoints.Checkpoint:
  """What loading step 5 of a run in `folder` would give."""
  settings = config(dataset, codec, kind)
  settings.data.unit = unit
  coder = codec_lib.load(codec)
  tokens = jnp.zeros((1, LENGTH), jnp.int32)
  named = {}
  if kind == "frames":
    model = frames.from_config(settings)
    inputs = toy_frames.silence(model)
    named["reset"] = jnp.zeros((1, 1), bool)
  elif kind == "vae":
    model = vae.from_config(settings, coder)
    inputs = (tokens, tokens, jnp.zeros((1, model.latent_size)))
  else:
    model = language_model.from_config(settings.model, coder)
    inputs = (tokens, model.zero_carry(1))
  meta = {
    "config": dataclasses.asdict(settings),
    "vocabulary_hash": coder.vocabulary_hash,
    "data_fingerprint": shards.open_dataset(dataset).index["fingerprint"],
  }
  # Random, and not as they are born: nothing has to be compiled.
  init = functools.partial(model.init, **named)
  shapes = jax.eval_shape(init, jax.random.key(0), *inputs)["params"]
  rng = np.random.default_rng(0)
  params = jax.tree.map(
    lambda leaf: rng.normal(0, 0.7, leaf.shape).astype(np.float32), shapes
  )
  return checkpoints.Checkpoint(params, meta, 5, folder / "checkpoints" / "5")
