"""VAE of sixteen bars of melody whose decoder starts each bar afresh from a
conductor, on CPU.

Command:
  python -m musegen_jax.train --config=configs/vae_16bar_hierarchical.py \
    --workdir=runs/vae_16bar_hierarchical
Data: data/tunes, as for configs/vae_2bar.py.
Size: as many parameters as configs/vae_16bar_flat.py, to 0.5 %.
Expected: six minutes on one CPU core; on the test split step accuracy 0.66
teacher-forced and 0.63 free-running, onset accuracy 0.11 free-running.
"""

from configs import vae_16bar_flat
from musegen_jax import config


def get_config() -> config.Config:
  """Returns the study's settings."""
  study = vae_16bar_flat.get_config()
  study.model.hidden_size = 256
  study.vae.decoder = "hierarchical"
  study.vae.conductor_size = 128
  return study
