"""The quickstart: a small LSTM on the Bach chorales inside music21.

Command:
  python -m musegen_jax.train --config=configs/quickstart.py \
    --workdir=quickstart/run
Data: quickstart/shards, as made by launch/quickstart.sh.
Expected: three minutes on 2 CPU cores, test NLL 3.25 bits a note; the best
n-gram has 4.89.
"""

from musegen_jax import config


def get_config() -> config.Config:
  """Returns the study's settings."""
  study = config.Config()
  study.data.data_dir = "quickstart/shards"
  study.data.transpose_semitones = 5
  study.model.embedding_size = 128
  study.model.hidden_size = 256
  study.model.layers = 2
  study.model.dropout = 0.3
  study.optimizer.learning_rate = 4e-3
  study.optimizer.warmup_steps = 50
  study.train.steps = 700
  study.train.batch_size = 32
  study.train.window = 128
  study.train.evaluate_every = 100
  study.train.checkpoint_every = 100
  return study
