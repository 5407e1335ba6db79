"""VAE of two bars of melody: fiddle and folk tunes, on CPU.

Commands:
  python -m data_prep.export_corpus --corpus=fiddle,folk \
    --output_dir=data/tunes_midi
  python -m data_prep.build_shards --midi_dir=data/tunes_midi \
    --output_dir=data/tunes
  python -m musegen_jax.train --config=configs/vae_2bar.py \
    --workdir=runs/vae_2bar
Expected: 16 minutes on one CPU core; on the test split a KL of 26 bits a
window, step accuracy 0.91 teacher-forced and 0.87 free-running, and a bound
(K = 64) of 3.08 nats a note, 8 % above the LSTM of configs/lstm_2bar.py.
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
