"""Everything that decides a run: typed, flat, checked.

The dataclasses stay unfrozen because flags override their fields:
`--config.train.batch_size=64`.
"""

import dataclasses

from musegen_jax.errors import UserError

# Ways to run the LSTM's steps, see models/lstm.py.
IMPLEMENTATIONS = (
  "auto",
  "scan",
  "hoisted",
  "recomputed",
  "wavefront",
  "pallas",
  "cudnn",
)


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
  implementation: str = "auto"  # of the LSTM; "recomputed" needs less memory


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
  steps_per_call: int = 0  # in one dispatch, at most; 0: 8, on a CPU 1
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
