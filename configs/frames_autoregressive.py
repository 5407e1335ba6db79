"""Frames, each drawn key by key from low to high: the best head.

Commands:
  python -m data_prep.import_frames \
    --npz=../shared/data/benchmark/JSB_Chorales.npz --output_dir=data/jsb \
    --steps_per_beat=1
  python -m musegen_jax.train --config=configs/frames_autoregressive.py \
    --workdir=runs/jsb
  python -m musegen_jax.benchmark --data=jsb,nottingham,musedata,piano_midi \
    --config=configs/frames_autoregressive.py --output_dir=runs/benchmark
  python -m musegen_jax.search --data=jsb \
    --config=configs/frames_autoregressive.py --output_dir=runs/search
Expected: test NLL of frames 2..T 4.11 (JSB), 1.12 (Nottingham), 3.89 (MuseData)
and 3.54 (Piano-midi.de) nats; on one of two shared CPU cores 4, 2, 5 and 5
minutes a seed, so an hour and a half for five seeds of all. JSB sees its
training split 28 times; the others only once (Piano-midi.de three times),
because of the hour: validation was still falling. On a GPU, longer and wider:
  python -m musegen_jax.benchmark --data=nottingham,musedata,piano_midi \
    --config=configs/frames_autoregressive.py --output_dir=runs/benchmark_wide \
    --config.frames.key_size=128 --config.frames.head_size=192 \
    --config.train.steps=3000 --config.train.evaluate_every=300
Settings: a random search of two draws (JSB, 600 steps) and of three
(Piano-midi.de, 150 steps) from the space below, on validation; then JSB wider,
with more input dropout and for longer, by hand, on validation too. The other
two sets have those of Piano-midi.de with less dropout.
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
  study.model.dropout = 0.2
  study.frames.key_size, study.frames.head_size = 48, 64
  study.optimizer.learning_rate = 1.6e-2
  study.optimizer.weight_decay = 0.1
  study.optimizer.warmup_steps = 50
  study.train.batch_size = 8
  study.train.window = 64
  # Ranges hold all that sounds in training; nothing else does in the others.
  if name == "jsb":
    study.frames.lowest_pitch, study.frames.highest_pitch = 43, 96
    study.frames.key_size, study.frames.head_size = 64, 96
    study.frames.input_dropout, study.model.dropout = 0.2, 0.4
    study.optimizer.weight_decay = 0.3
    study.train.steps, study.train.evaluate_every = 720, 120
  elif name == "nottingham":
    study.frames.lowest_pitch, study.frames.highest_pitch = 31, 93
    study.frames.input_dropout, study.model.dropout = 0.0, 0.1
    study.train.batch_size = 16
    study.train.steps, study.train.evaluate_every = 172, 86
  elif name == "musedata":
    study.frames.input_dropout, study.model.dropout = 0.0, 0.1
    study.train.batch_size = 16
    study.train.steps, study.train.evaluate_every = 240, 120
  elif name == "piano_midi":
    study.frames.head_size = 96
    study.train.steps, study.train.evaluate_every = 444, 148
  return study


def get_space() -> dict[str, list]:
  """Returns what musegen_jax.search draws from, on validation alone."""
  return {
    "optimizer.learning_rate": [8e-3, 1.6e-2, 2.4e-2],
    "optimizer.weight_decay": [0.1, 0.3],
    "model.dropout": [0.1, 0.2, 0.3, 0.4, 0.5],
    "frames.input_dropout": [0.0, 0.1, 0.2],
    "frames.key_size": [48, 64, 96],
    "frames.head_size": [64, 96],
  }
