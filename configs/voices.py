"""LSTM on four-voice chorales in sixteenths, told the place in the beat.

Commands:
  python -m data_prep.export_corpus --corpus=bach --output_dir=data/bach_midi
  python -m data_prep.build_shards --midi_dir=data/bach_midi \
    --output_dir=data/bach
  python -m musegen_jax.train --config=configs/voices.py --workdir=runs/voices
  python -m musegen_jax.evaluate --checkpoint=runs/voices
  python -m musegen_jax.sample --checkpoint=runs/voices --mode=harmonise \
    --input=my_midi/melody.mid --num=4 --output_dir=samples/harmonised
Expected: about eight minutes on one CPU core of its own (0.31 s a step); on the
test split 0.537 nats a note (a token of one voice in one sixteenth), 2.82 bits
a note that begins; the Markov chain of each voice by sixteenth of the beat has
0.805, the best n-gram of all voices 0.73. The validation loss (0.469) was still
falling: a wider or longer run gains.
"""

from musegen_jax import config


def get_config() -> config.Config:
  """Returns the study's settings."""
  study = config.Config()
  study.data.data_dir = "data/bach"
  study.data.codec = "voices"
  study.data.transpose_semitones = 5
  study.model = config.Model(
    embedding_size=64, hidden_size=256, layers=1, dropout=0.3
  )
  study.optimizer.learning_rate = 4e-3
  study.optimizer.warmup_steps = 50
  study.train.steps = 1500
  study.train.batch_size = 32
  study.train.window = 256
  study.train.evaluate_every = 250
  study.train.checkpoint_every = 250
  return study
