"""Frames whose keys are independent given the past: the plain head.

Commands:
  python -m musegen_jax.benchmark --data=jsb \
    --config=configs/frames_sigmoid.py --output_dir=runs/benchmark
"""

from musegen_jax import config


def get_config(name: str = "jsb") -> config.Config:
  """Returns the settings for one of the published sets."""
  study = config.Config()
  study.data.codec = "frames"
  study.data.steps_per_beat = 2
  study.data.data_dir = f"data/{name}"
  study.data.transpose_semitones = 0
  study.model.kind = "frames"
  study.model.dropout = 0.2
  study.frames = config.Frames(
    head="sigmoid", key_size=32, context_size=64, head_size=32
  )
  study.optimizer.learning_rate = 1.6e-2
  study.optimizer.weight_decay = 0.1
  study.optimizer.warmup_steps = 50
  study.train.batch_size = 8
  study.train.window = 64
  if name == "jsb":
    study.data.steps_per_beat = 1
    study.model.dropout = 0.3
    # What sounds in the training split; nothing else does in the others.
    study.frames.lowest_pitch, study.frames.highest_pitch = 43, 96
    study.train.steps, study.train.evaluate_every = 320, 80
  elif name == "nottingham":
    study.model.dropout = 0.1
    study.frames.lowest_pitch, study.frames.highest_pitch = 31, 93
    study.train.batch_size = 16
    study.train.steps, study.train.evaluate_every = 344, 86
  elif name == "musedata":
    study.train.batch_size = 16
    study.train.steps, study.train.evaluate_every = 480, 120
  elif name == "piano_midi":
    study.train.steps, study.train.evaluate_every = 450, 150
  return study


def get_space() -> dict[str, list]:
  """Returns what musegen_jax.search draws from, on validation alone."""
  return {
    "optimizer.learning_rate": [8e-3, 1.6e-2, 3.2e-2],
    "optimizer.weight_decay": [0.01, 0.1],
    "model.dropout": [0.1, 0.2, 0.3, 0.4],
    "frames.key_size": [32, 48],
    "frames.context_size": [0, 64, 128],
  }
