"""LSTM on the windows of configs/vae_2bar.py, whose peer it is.

Command:
  python -m musegen_jax.train --config=configs/lstm_2bar.py \
    --workdir=runs/lstm_2bar
Data: data/tunes, as for configs/vae_2bar.py.
Expected: seven minutes on one CPU core, test NLL 2.85 nats a note.
"""

from configs import vae_2bar
from musegen_jax import config


def get_config() -> config.Config:
  """Returns the study's settings."""
  study = vae_2bar.get_config()
  study.model.kind = "lstm"
  study.model.dropout = 0.1
  return study
