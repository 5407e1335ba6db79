"""VAE of two bars of melody: fiddle and folk tunes, on CPU.

Commands:
  bash launch/prepare_tunes.sh
  python -m musegen_jax.train --config=configs/vae_2bar.py \
    --workdir=runs/vae_2bar
Data: data/tunes.
"""

from musegen_jax import config


def get_config() -> config.Config:
  """Returns the study's settings."""
  study = config.Config()
  study.data.data_dir = "data/tunes"
  study.data.codec = "melody"
  study.data.unit = "window"
  study.data.windows_per_piece = 16
  study.data.transpose_semitones = 5
  study.model = config.Model(
    kind="vae", embedding_size=64, hidden_size=256, layers=1, dropout=0.0
  )
  study.vae = config.Vae(
    latent_size=32,
    encoder_size=128,
    pool_size=16,
    plan_size=32,
    beta=1.0,
    free_bits=26.0,
    warmup_steps=300,
  )
  study.optimizer.learning_rate = 4e-3
  study.train.steps = 3000
  study.train.batch_size = 128
  study.train.window = 32
  study.train.evaluate_every = 500
  study.train.checkpoint_every = 500
  return study
