"""Everything that decides a run: typed, flat, checked.

The dataclasses stay unfrozen because flags override their fields:
`--config.train.batch_size=64`.
"""

import dataclasses
import re

from musegen_jax.errors import UserError


@dataclasses.dataclass(kw_only=True)
class Data:
  """What is trained on."""

  data_dir: str = "data/bach"  # made by data_prep.build_shards
  codec: str = "performance"  # a file of musegen_jax/data/codecs
  steps_per_beat: int = 0  # in a quarter note, codec frames; 0: the codec's own
  transpose_semitones: int = 5  # each piece is moved by -k..k, drums never
  stretch: float = 0.0  # 0.05: times between 0.95 and 1.05, five variants
  shuffle_tokens: bool = False  # a control: the order inside pieces is lost
  unit: str = "piece"  # rows run through pieces; "window": each row is one
  windows_per_piece: int = 32  # at most so many windows of a piece; 0: all


@dataclasses.dataclass(kw_only=True)
class Model:
  """The network; the VAE's decoder where there is one."""

  kind: str = "lstm"  # or "vae", or "frames"
  embedding_size: int = 128  # D
  hidden_size: int = 256  # H, LSTM units
  layers: int = 2  # L
  dropout: float = 0.2  # share of each layer's outputs dropped in training
  dtype: str = "float32"  # of the matrix products: float32 or bfloat16


@dataclasses.dataclass(kw_only=True)
class Vae:
  """What a VAE has beside its decoder, and its objective."""

  latent_size: int = 64  # Z
  encoder_size: int = 128  # LSTM units a direction
  pool_size: int = 16  # features of every step that the posterior sees; 0: none
  plan_size: int = 32  # features z plans for every step of the decoder; 0: none
  decoder: str = "flat"  # or "hierarchical": segments run side by side
  segment_steps: int = 16  # of the hierarchical decoder: a bar
  conductor_size: int = 256  # LSTM units that make one context a segment
  beta: float = 0.5  # weight of the KL, after its warm-up
  warmup_steps: int = 500  # in which that weight grows from 0
  free_bits: float = 24.0  # KL of a window, in bits, that costs nothing
  mmd_weight: float = 0.0  # of the discrepancy between all z and the prior
  word_dropout: float = 0.0  # share of the decoder's inputs that are hidden
  scheduled_sampling: float = 0.0  # share that are the decoder's own guesses


@dataclasses.dataclass(kw_only=True)
class Frames:
  """A model of piano-roll frames; of Model it takes dropout and dtype."""

  head: str = "autoregressive"  # or "nade" or "sigmoid"
  key_size: int = 64  # LSTM units of every key, weights shared; 0: none
  context_size: int = 0  # LSTM units over whole frames; 0: none
  head_size: int = 96  # hidden units of every key
  input_dropout: float = 0.1  # share of what the past says that is not heard
  nade_size: int = 128  # hidden units of head nade
  lowest_pitch: int = 21  # of the model's range; keys outside hardly sound
  highest_pitch: int = 108
  articulation: bool = False  # struck and held keys are told apart


@dataclasses.dataclass(kw_only=True)
class Optimizer:
  """AdamW with linear warm-up and cosine decay to zero."""

  learning_rate: float = 2e-3  # at the end of the warm-up
  warmup_steps: int = 100
  weight_decay: float = 0.01  # on matrices, not on biases
  clip_norm: float = 1.0  # global norm of the gradient
  frozen: str = ""  # regular expression on parameter paths that stay as is


@dataclasses.dataclass(kw_only=True)
class Train:
  """The loop."""

  seed: int = 0  # of initialisation, order, augmentation and dropout
  steps: int = 2000
  batch_size: int = 32  # rows over all devices and processes
  window: int = 128  # T, tokens a row
  carry_state: bool = True  # windows continue the row before them
  accumulate: int = 1  # micro-batches a step, to save memory
  log_every: int = 20
  evaluate_every: int = 250  # validation, and a checkpoint
  early_stop: int = 0  # evaluations without improvement; 0 never stops
  checkpoint_every: int = 250
  keep_checkpoints: int = 2  # the latest, besides the best


@dataclasses.dataclass(kw_only=True)
class Config:
  """One study."""

  data: Data = dataclasses.field(default_factory=Data)
  model: Model = dataclasses.field(default_factory=Model)
  vae: Vae = dataclasses.field(default_factory=Vae)
  frames: Frames = dataclasses.field(default_factory=Frames)
  optimizer: Optimizer = dataclasses.field(default_factory=Optimizer)
  train: Train = dataclasses.field(default_factory=Train)

  @property
  def shuffle_seed(self) -> int | None:
    """The seed of the control that shuffles tokens, or None."""
    return self.train.seed if self.data.shuffle_tokens else None

  def check(self, devices: int = 1) -> None:
    """Raises UserError where fields contradict each other.

    `devices` is their number over all processes.
    """
    for name, value in _at_least_one(self).items():
      if value < 1:
        raise UserError(f"config: {name} {value} must be at least 1")
    rules = _train_rules(self, devices) + _data_rules(self.data)
    if self.model.kind == "vae":
      rules += _vae_rules(self)
    if self.model.kind == "frames":
      rules += _frame_rules(self)
    for holds, message in rules:
      if not holds:
        raise UserError(f"config: {message}")
    try:
      re.compile(self.optimizer.frozen)
    except re.error as error:
      raise UserError(
        f"config: optimizer.frozen {self.optimizer.frozen!r} is no regular"
        f" expression ({error})"
      ) from None


Rule = tuple[bool, str]


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
    (
      model.kind in ("lstm", "vae", "frames"),
      f"model.kind {model.kind!r} is neither lstm nor vae nor frames",
    ),
    (0 <= model.dropout < 1, f"model.dropout {model.dropout} not in [0, 1)"),
    (
      model.dtype in ("float32", "bfloat16"),
      f"model.dtype {model.dtype!r} is neither float32 nor bfloat16",
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


def from_dict(fields: dict) -> Config:
  """The config that `dataclasses.asdict` made into `fields`.

  Raises UserError where a field is missing or unknown.
  """
  try:
    return Config(
      data=Data(**fields["data"]),
      model=Model(**fields["model"]),
      vae=Vae(**fields["vae"]),
      frames=Frames(**fields["frames"]),
      optimizer=Optimizer(**fields["optimizer"]),
      train=Train(**fields["train"]),
    )
  except (KeyError, TypeError) as error:
    raise UserError(
      f"the stored config does not fit this version: {error}"
    ) from None


def differences(old: dict, new: dict, prefix: str = "") -> list[str]:
  """Lines `name: old -> new` for the leaves in which two dicts differ."""
  lines = []
  for key in sorted(old.keys() | new.keys()):
    a, b = old.get(key), new.get(key)
    if isinstance(a, dict) and isinstance(b, dict):
      lines += differences(a, b, f"{prefix}{key}.")
    elif a != b:
      lines.append(f"{prefix}{key}: {a!r} -> {b!r}")
  return lines
