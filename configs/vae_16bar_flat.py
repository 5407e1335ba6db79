"""VAE of sixteen bars of melody with one flat decoder, on CPU.

Command:
  python -m musegen_jax.train --config=configs/vae_16bar_flat.py \
    --workdir=runs/vae_16bar_flat
Data: data/tunes, as for configs/vae_2bar.py.
"""

from configs import vae_2bar
from musegen_jax import config


def get_config() -> config.Config:
  """Returns the study's settings."""
  study = vae_2bar.get_config()
  study.train.window = 256
  study.train.batch_size = 32
  return study
