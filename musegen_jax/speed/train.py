"""--what=train: whole training steps as the trainer runs them, beside torch
and Flax.

Letters: T steps, B batch, V vocabulary.
"""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from musegen_jax import config as config_lib
from musegen_jax.data.codecs import codec as codec_lib
from musegen_jax.data.codecs.codec import Codec
from musegen_jax.models import language_model, vae
from musegen_jax.speed import peers, peers_flax, report
from musegen_jax.speed.machine import Limits
from musegen_jax.speed.sizes import Sizes
from musegen_jax.speed.timing import Call, Race, Settings, attempt
from musegen_jax.training import (
  language_task,
  metrics,
  optimizer,
  parallel,
  state,
  steps,
  task,
  vae_loss,
)

OURS = "ours"
LANGUAGE_CODEC, VAE_CODEC = "performance", "melody"


def sizes(platform: str) -> list[Sizes]:
  """What the issue asks for on a platform."""
  if platform == "cpu":
    return [
      Sizes(2, 256, 512, 32, 64),
      Sizes(3, 512, 512, 16, 64),
      Sizes(2, 256, 256, 8, 128),
    ]
  return [
    Sizes(3, 512, 512, 64, 512, "bfloat16"),
    Sizes(3, 1024, 1024, 256, 512, "bfloat16"),
  ]


def random_batch(codec: Codec, rows: int, window: int) -> dict[str, np.ndarray]:
  """Tokens of no music; speed does not depend on what they are."""
  rng = np.random.default_rng(0)
  tokens = rng.integers(0, codec.begin, (rows, window + 1)).astype(np.int32)
  return {
    "inputs": tokens[:, :-1].copy(),
    "targets": tokens[:, 1:].copy(),
    "mask": np.ones((rows, window), np.float32),
    "reset": np.zeros((rows, window), bool),
  }


def _call(
  params: Any,
  carry: state.Carry | None,
  batch: dict[str, np.ndarray],
  settings: config_lib.Config,
  loss: steps.Loss,
  figures: type,
) -> Call:
  tx = optimizer.make(settings.optimizer, settings.train.steps, params)
  steps_fn = parallel.pmap_steps(
    loss=loss, metrics=figures, tx=tx, accumulate=1
  )
  held = parallel.spread(
    state.init(tx, jax.device_get(params), jax.device_get(carry))
  )
  rows = parallel.put_rows({name: a[None] for name, a in batch.items()})

  def call() -> None:
    nonlocal held
    held, _ = steps_fn(held, rows)
    jax.block_until_ready(held)

  return call


def language_step(sizes: Sizes) -> Call:
  """The trainer's step of a language model: no dropout, and Adam without
  weight decay, so that peers do the same."""
  study = config_lib.Config()
  study.model.embedding_size = sizes.width
  study.model.hidden_size = sizes.hidden_size
  study.model.layers, study.model.dtype = sizes.layers, sizes.dtype
  study.optimizer.weight_decay = 0.0
  codec = codec_lib.load(LANGUAGE_CODEC)
  model = language_model.from_config(study.model, codec)
  return _call(
    task.draw_params(model, 0, method="params"),
    model.zero_carry(sizes.batch),
    random_batch(codec, sizes.batch, sizes.steps),
    study,
    language_task.make_loss(model, 0.0, 0),
    metrics.TrainMetrics,
  )


def vae_step(study: config_lib.Config) -> Call:
  """The trainer's step of a VAE's config."""
  codec = codec_lib.load(VAE_CODEC)
  model = vae.from_config(study, codec)
  batch = random_batch(codec, study.train.batch_size, study.train.window)
  window = jnp.asarray(batch["inputs"][:1])
  noise = jnp.zeros((1, model.latent_size))
  return _call(
    task.draw_params(model, 0, window, window, noise),
    None,
    batch,
    study,
    vae_loss.make_loss(
      model, study.vae, study.model.dropout, 0, study.train.steps
    ),
    metrics.VaeMetrics,
  )


def vae_studies() -> dict[str, config_lib.Config]:
  """Sizes of configs/vae_2bar.py and configs/vae_16bar_flat.py, by name."""
  shared = {"kind": "vae", "embedding_size": 64, "layers": 1, "dropout": 0.0}
  short, long = config_lib.Config(), config_lib.Config()
  short.model = config_lib.Model(**shared, hidden_size=256)
  short.vae = config_lib.Vae(
    latent_size=32, beta=1.0, free_bits=26.0, warmup_steps=300
  )
  short.train.batch_size, short.train.window = 128, 32
  long.model = config_lib.Model(**shared, hidden_size=316)
  long.vae = config_lib.Vae(
    latent_size=96, pool_size=8, plan_size=0, free_bits=128.0, warmup_steps=200
  )
  long.train.batch_size, long.train.window = 32, 256
  return {"VAE, 2 bars": short, "VAE, 16 bars, flat": long}


def language_race(settings: Settings, limits: Limits, sizes: Sizes) -> Race:
  """One size of the language model beside its peers."""
  codec, clip = codec_lib.load(LANGUAGE_CODEC), config_lib.Optimizer().clip_norm
  batch = random_batch(codec, sizes.batch, sizes.steps)
  calls, absent = {OURS: language_step(sizes)}, {}
  calls[peers_flax.NAME] = peers_flax.language_step(
    sizes, codec.vocab_size, batch, clip
  )
  torch, why = peers.torch_peers(settings.platform)
  if torch is None:
    absent["torch"] = why
  else:
    for name, form in torch.forms(settings, sizes.dtype).items():
      calls[name] = torch.language_step(
        settings, sizes, form, codec.vocab_size, batch, clip
      )
  seconds, failed = attempt(calls, settings)
  return Race(
    f"LSTM {sizes.name}",
    seconds,
    OURS,
    absent | failed,
    tokens=sizes.tokens,
    flops=sizes.language_flops(codec.vocab_size),
    gemm=limits.gemm[sizes.dtype],
  )


def vae_race(settings: Settings, name: str, study: config_lib.Config) -> Race:
  """One VAE beside the same network and optimiser in torch."""
  codec, train = codec_lib.load(VAE_CODEC), study.train
  batch = random_batch(codec, train.batch_size, train.window)
  calls, absent = {OURS: vae_step(study)}, {}
  torch, why = peers.torch_peers(settings.platform)
  if torch is None:
    absent["torch"] = why
  else:
    calls["torch"] = torch.vae_step(settings, study, codec.vocab_size, batch)
  tokens = train.batch_size * train.window
  seconds, failed = attempt(calls, settings)
  return Race(name, seconds, OURS, absent | failed, tokens=tokens)


def run(
  settings: Settings,
  limits: Limits,
  chosen: list[Sizes],
  studies: dict[str, config_lib.Config],
) -> report.Section:
  """The section of all language models and VAEs."""
  about = (
    "Whole training steps as the trainer runs them: embedding, LSTM, head,"
    " cross-entropy, gradients, clipping and Adam; peers do the same. The share"
    " of GEMM is the model FLOPs utilisation: FLOPs of the textbook's products,"
    " 6 for each weight and token, whatever an implementation saves of them,"
    " over time and over the machine's own rate. On a GPU, torch's weights are"
    " of its row's dtype, ours float32."
  )
  races = [language_race(settings, limits, sizes) for sizes in chosen]
  races += [vae_race(settings, name, study) for name, study in studies.items()]
  notes = report.gpu_notes(settings.platform)
  return report.of_races("train", about, races, notes)
