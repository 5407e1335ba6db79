"""Control: the quickstart with the tokens shuffled inside each piece.

No model of order can win here; the gain over the best n-gram must vanish.
Command:
  python -m musegen_jax.train --config=configs/control_shuffled.py \
    --workdir=runs/control_shuffled
"""

from configs import quickstart
from musegen_jax import config


def get_config() -> config.Config:
  """Returns the study's settings."""
  study = quickstart.get_config()
  study.data.shuffle_tokens = True
  study.train.steps = 400
  return study
