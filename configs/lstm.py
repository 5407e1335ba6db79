"""LSTM on performance events, state carried from window to window.

Command:
  python -m musegen_jax.train --config=configs/lstm.py --workdir=runs/lstm
Data: data/corpus, as made by launch/prepare.sh, or --config.data.data_dir.
Size: 3 layers of 512, that of Performance RNN (Oore et al. 2018); for a GPU.
Expected: not measured yet.
"""

from musegen_jax import config


def get_config() -> config.Config:
  """Returns the study's settings."""
  study = config.Config()
  study.data.data_dir = "data/corpus"
  study.data.stretch = 0.05
  study.model = config.Model(
    embedding_size=256, hidden_size=512, layers=3, dropout=0.3
  )
  study.model.dtype = "bfloat16"
  study.optimizer.learning_rate = 1e-3
  study.optimizer.warmup_steps = 500
  study.train.steps = 20_000
  study.train.batch_size = 64
  study.train.window = 512
  study.train.log_every = 100
  study.train.evaluate_every = 1000
  study.train.checkpoint_every = 1000
  study.train.early_stop = 5
  return study
