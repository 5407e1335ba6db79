"""LSTM on melodies of sixteenths, such as fiddle tunes; small enough for CPU.

Command:
  python -m musegen_jax.train --config=configs/melody.py --workdir=runs/melody \
    --config.data.data_dir=data/corpus
Expected: not measured yet.
"""

from configs import quickstart
from musegen_jax import config


def get_config() -> config.Config:
  """Returns the study's settings."""
  study = quickstart.get_config()
  study.data.data_dir = "data/corpus"
  study.data.codec = "melody"
  study.train.steps = 3000
  return study
