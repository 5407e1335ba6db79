"""LSTM on performance events.

Command:
  python -m musegen_jax.train --config=configs/lstm.py --workdir=runs/lstm
"""

from musegen_jax import config


def get_config() -> config.Config:
  """Returns the study's settings."""
  return config.Config()
