"""The VAE of launch/compare_lstm_vae.sh: eight bars of melody.

Command:
  python -m musegen_jax.train --config=configs/compare_vae.py \
    --workdir=runs/compare/vae-0 --seconds=600
Data: data/tunes, as for configs/vae_2bar.py.
Size: as many parameters as configs/compare_lstm.py, to 0.5 %.
Expected: see "LSTM or VAE" in README.md.
"""

from configs import vae_2bar
from musegen_jax import config


def get_config() -> config.Config:
  """Returns the study's settings."""
  study = vae_2bar.get_config()
  study.model.hidden_size = 316
  study.vae.latent_size = 96
  study.vae.pool_size = 8
  study.vae.plan_size = 16
  study.vae.free_bits = 40.0
  study.vae.warmup_steps = 200
  study.optimizer.learning_rate = 3e-3
  study.train.window = 128
  study.train.batch_size = 64
  study.train.evaluate_every = 200
  study.train.checkpoint_every = 200
  return study
