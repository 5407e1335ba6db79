"""The LSTM of launch/compare_lstm_vae.sh: eight bars of melody.

Command:
  python -m musegen_jax.train --config=configs/compare_lstm.py \
    --workdir=runs/compare/lstm-0 --seconds=600
Data: data/tunes, as for configs/vae_2bar.py.
Size: as many parameters as configs/compare_vae.py, to 0.5 %.
Expected: see "LSTM or VAE" in README.md.
"""

from configs import compare_vae
from musegen_jax import config


def get_config() -> config.Config:
  """Returns the study's settings."""
  study = compare_vae.get_config()
  study.model.kind = "lstm"
  study.model.hidden_size = 542
  return study
