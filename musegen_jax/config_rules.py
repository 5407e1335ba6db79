"""What must hold between the fields of a config."""

import re

from musegen_jax.config import IMPLEMENTATIONS, Config, Data
from musegen_jax.errors import UserError

Rule = tuple[bool, str]


def check(config: Config, devices: int = 1) -> None:
  """Raises UserError where fields contradict each other.

  `devices` is their number over all processes.
  """
  for name, value in _at_least_one(config).items():
    if value < 1:
      raise UserError(f"config: {name} {value} must be at least 1")
  rules = _train_rules(config, devices) + _data_rules(config.data)
  if config.model.kind == "vae":
    rules += _vae_rules(config)
  if config.model.kind == "frames":
    rules += _frame_rules(config)
  for holds, message in rules:
    if not holds:
      raise UserError(f"config: {message}")
  try:
    re.compile(config.optimizer.frozen)
  except re.error as error:
    raise UserError(
      f"config: optimizer.frozen {config.optimizer.frozen!r} is no regular"
      f" expression ({error})"
    ) from None


def _at_least_one(config: Config) -> dict[str, int]:
  train, model, vae = config.train, config.model, config.vae
  return {
    "train.batch_size": train.batch_size,
    "train.window": train.window,
    "train.steps": train.steps,
    "train.accumulate": train.accumulate,
    "train.log_every": train.log_every,
    "train.evaluate_every": train.evaluate_every,
    "train.checkpoint_every": train.checkpoint_every,
    "train.keep_checkpoints": train.keep_checkpoints,
    "model.embedding_size": model.embedding_size,
    "model.hidden_size": model.hidden_size,
    "model.layers": model.layers,
    "vae.latent_size": vae.latent_size,
    "vae.encoder_size": vae.encoder_size,
    "vae.segment_steps": vae.segment_steps,
    "vae.conductor_size": vae.conductor_size,
    "frames.head_size": config.frames.head_size,
    "frames.nade_size": config.frames.nade_size,
  }


def _train_rules(config: Config, devices: int) -> list[Rule]:
  train, model, optimizer = config.train, config.model, config.optimizer
  rows = devices * train.accumulate
  return [
    (
      train.batch_size % rows == 0,
      f"train.batch_size {train.batch_size} is not a multiple of devices x"
      f" train.accumulate = {devices} x {train.accumulate}",
    ),
    (train.early_stop >= 0, "train.early_stop must not be negative"),
    (train.seed >= 0, "train.seed must not be negative"),
    (train.steps_per_call >= 0, "train.steps_per_call must not be negative"),
    (
      model.kind in ("lstm", "vae", "frames"),
      f"model.kind {model.kind!r} is neither lstm nor vae nor frames",
    ),
    (0 <= model.dropout < 1, f"model.dropout {model.dropout} not in [0, 1)"),
    (
      model.dtype in ("float32", "bfloat16"),
      f"model.dtype {model.dtype!r} is neither float32 nor bfloat16",
    ),
    (
      # cudnn is there to check ours against: it knows no reset.
      model.implementation in set(IMPLEMENTATIONS) - {"cudnn"},
      f"model.implementation {model.implementation!r} is not in:"
      f" {', '.join(name for name in IMPLEMENTATIONS if name != 'cudnn')}",
    ),
    (optimizer.learning_rate > 0, "optimizer.learning_rate must be above 0"),
    (optimizer.clip_norm > 0, "optimizer.clip_norm must be above 0"),
    (optimizer.weight_decay >= 0, "optimizer.weight_decay is negative"),
    (
      0 <= optimizer.warmup_steps < train.steps,
      f"optimizer.warmup_steps {optimizer.warmup_steps} must be below"
      f" train.steps {train.steps}",
    ),
  ]


def _data_rules(data: Data) -> list[Rule]:
  windows = data.unit == "window"
  return [
    (
      0 <= data.steps_per_beat <= 24,
      f"data.steps_per_beat {data.steps_per_beat} not in 0..24",
    ),
    (
      0 <= data.transpose_semitones <= 12,
      f"data.transpose_semitones {data.transpose_semitones} not in 0..12",
    ),
    (0 <= data.stretch <= 0.5, f"data.stretch {data.stretch} not in 0..0.5"),
    (
      data.unit in ("piece", "window"),
      f"data.unit {data.unit!r} is neither piece nor window",
    ),
    (data.windows_per_piece >= 0, "data.windows_per_piece is negative"),
    (
      not (windows and data.stretch),
      f"data.stretch {data.stretch} needs data.unit piece, not window",
    ),
    (
      not (windows and data.shuffle_tokens),
      "data.shuffle_tokens needs data.unit piece, not window",
    ),
  ]


def _vae_rules(config: Config) -> list[Rule]:
  vae, window = config.vae, config.train.window
  rules = [
    (
      config.data.unit == "window",
      f"model.kind vae needs data.unit window, not {config.data.unit}",
    ),
    (
      vae.decoder in ("flat", "hierarchical"),
      f"vae.decoder {vae.decoder!r} is neither flat nor hierarchical",
    ),
    (
      vae.decoder == "flat" or window % vae.segment_steps == 0,
      f"train.window {window} is not a multiple of vae.segment_steps"
      f" {vae.segment_steps}",
    ),
    (
      not (vae.mmd_weight and config.train.accumulate > 1),
      f"vae.mmd_weight {vae.mmd_weight} compares whole batches: set"
      f" train.accumulate {config.train.accumulate} to 1",
    ),
  ]
  for name in ("beta", "warmup_steps", "free_bits", "mmd_weight"):
    value = getattr(vae, name)
    rules.append((0 <= value < float("inf"), f"vae.{name} {value} not >= 0"))
  for name in ("pool_size", "plan_size"):
    rules.append((getattr(vae, name) >= 0, f"vae.{name} is negative"))
  for name in ("word_dropout", "scheduled_sampling"):
    value = getattr(vae, name)
    rules.append((0 <= value <= 1, f"vae.{name} {value} not in 0..1"))
  return rules


def _frame_rules(config: Config) -> list[Rule]:
  frames, data = config.frames, config.data
  low, high = frames.lowest_pitch, frames.highest_pitch
  return [
    (
      data.codec == "frames",
      f"model.kind frames needs data.codec frames, not {data.codec}",
    ),
    (
      data.unit == "piece" and not data.shuffle_tokens and not data.stretch,
      "model.kind frames needs data.unit piece, without data.shuffle_tokens"
      " and data.stretch",
    ),
    (
      config.train.carry_state,
      "model.kind frames needs train.carry_state: windows continue each other",
    ),
    (
      frames.head in ("sigmoid", "nade", "autoregressive"),
      f"frames.head {frames.head!r} is neither sigmoid, nade nor"
      " autoregressive",
    ),
    (
      min(frames.key_size, frames.context_size) >= 0
      and frames.key_size + frames.context_size > 0,
      "frames.key_size and frames.context_size must not be negative, nor"
      " both 0",
    ),
    (
      0 <= frames.input_dropout < 1,
      f"frames.input_dropout {frames.input_dropout} not in [0, 1)",
    ),
    (
      21 <= low < high <= 108,
      f"frames.lowest_pitch {low} and frames.highest_pitch {high} do not make"
      " a range within 21..108",
    ),
  ]
