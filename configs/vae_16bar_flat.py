"""VAE of sixteen bars of melody with one flat decoder, on CPU.

Command:
  python -m musegen_jax.train --config=configs/vae_16bar_flat.py \
    --workdir=runs/vae_16bar_flat
Data: data/tunes, as for configs/vae_2bar.py.
Expected: six minutes on one CPU core; on the test split step accuracy 0.68
teacher-forced and 0.63 free-running, onset accuracy 0.11 free-running: a study
of the two decoders at equal cost, far from done learning.
"""

from configs import vae_2bar
from musegen_jax import config


def get_config() -> config.Config:
  """Returns the study's settings."""
  study = vae_2bar.get_config()
  study.model.hidden_size = 316
  study.vae.latent_size = 96
  study.vae.pool_size = 8
  # The plan would give every step of the flat decoder what the conductor gives
  # every bar of the other.
  study.vae.plan_size = 0
  study.vae.beta = 0.5
  study.vae.free_bits = 128.0
  study.vae.warmup_steps = 200
  study.optimizer.learning_rate = 3e-3
  study.train.window = 256
  study.train.batch_size = 32
  study.train.steps = 500
  study.train.evaluate_every = 250
  study.train.checkpoint_every = 250
  return study
