"""Frames by NADE: a hidden layer sums up the lower keys of a frame.

Commands:
  python -m musegen_jax.benchmark --data=jsb,nottingham,musedata,piano_midi \
    --config=configs/frames_nade.py --output_dir=runs/benchmark
Expected: test NLL of frames 2..T 4.87 (JSB), 1.53 (Nottingham), 4.75 (MuseData)
and 4.26 (Piano-midi.de) nats; one to three minutes a seed on one of two shared
CPU cores. Not searched: learning rate and weight decay are those of
configs/frames_autoregressive.py, the sizes half of them.
"""

from musegen_jax import config


def get_config(name: str = "jsb") -> config.Config:
  """Returns the settings for one of the published sets."""
  study = config.Config()
  study.data.codec = "frames"
  study.data.steps_per_beat = 1 if name == "jsb" else 2
  study.data.data_dir = f"data/{name}"
  study.data.transpose_semitones = 0
  study.model.kind = "frames"
  study.model.dropout = 0.1
  study.frames.head = "nade"
  study.frames.key_size, study.frames.head_size = 32, 32
  study.frames.context_size, study.frames.nade_size = 64, 128
  study.optimizer.learning_rate = 1.6e-2
  study.optimizer.weight_decay = 0.1
  study.optimizer.warmup_steps = 30
  study.train.batch_size = 8
  study.train.window = 64
  # Ranges hold all that sounds in training; nothing else does in the others.
  if name == "jsb":
    study.frames.lowest_pitch, study.frames.highest_pitch = 43, 96
    study.model.dropout = 0.3
    study.train.steps, study.train.evaluate_every = 400, 100
  elif name == "nottingham":
    study.frames.lowest_pitch, study.frames.highest_pitch = 31, 93
    study.train.batch_size = 16
    study.train.steps, study.train.evaluate_every = 120, 120
  elif name == "musedata":
    study.train.batch_size = 16
    study.train.steps, study.train.evaluate_every = 120, 120
  elif name == "piano_midi":
    study.train.steps, study.train.evaluate_every = 222, 111
  return study


def get_space() -> dict[str, list]:
  """Returns what musegen_jax.search draws from, on validation alone."""
  return {
    "optimizer.learning_rate": [8e-3, 1.6e-2, 2.4e-2],
    "optimizer.weight_decay": [0.1, 0.3],
    "model.dropout": [0.1, 0.2, 0.3, 0.4],
    "frames.input_dropout": [0.0, 0.1, 0.2],
    "frames.key_size": [32, 48, 64],
    "frames.context_size": [0, 64],
  }
