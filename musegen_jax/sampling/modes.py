"""What a model can be asked for beside new pieces, and which flags say so."""

import dataclasses
from collections.abc import Set

from musegen_jax.errors import UserError
from musegen_jax.evaluation import attributes
from musegen_jax.sampling.strategies import Strategy

LSTM, FRAMES, HARMONISE = "lstm", "frames", "harmonise"
_NEW = {"num", "seconds", "primer", "baseline"}
_TOKENS = {"top_k", "top_p", "min_p"}
# The flags of `musegen_jax.sample` that have a meaning for some models only.
FLAGS = {
  LSTM: _NEW | _TOKENS | {"min_seconds", "note_seconds"},
  FRAMES: _NEW,
  "prior": _TOKENS | {"num", "prior", "z_temperature", "data_dir"},
  "reconstruct": _TOKENS | {"input", "bar"},
  "interpolate": _TOKENS | {"input", "bar", "num"},
  "vary": _TOKENS | {"input", "bar", "num", "amount"},
  "attribute": _TOKENS | {"input", "bar", "amount", "attribute", "data_dir"},
  HARMONISE: {"input", "num", "sweeps"},
}
VAE_MODES = tuple(m for m in FLAGS if m not in (LSTM, FRAMES, HARMONISE))
MODES = (*VAE_MODES, HARMONISE)
# Kinds of models that need no --mode.
_KINDS = {LSTM: "an LSTM", FRAMES: "a model of frames"}
PRIORS = ("standard", "fitted")
AMOUNTS = {"vary": 0.3, "attribute": 1.0}
# Beyond it there is nothing but overflow.
FARTHEST = 1000


def resolve(kind: str, mode: str | None, given: Set[str]) -> str:
  """The mode in force: LSTM, FRAMES, or one of MODES.

  Args:
    kind: of the model.
    mode: asked for, or None.
    given: names of the flags that the user gave.

  Raises UserError for flags that have no meaning there.
  """
  if kind in _KINDS and mode in VAE_MODES:
    raise UserError(
      f"--mode={mode} needs a VAE, and this checkpoint is of {_KINDS[kind]}:"
      " give a VAE's or leave --mode out"
    )
  if kind != LSTM and mode == HARMONISE:
    raise UserError(
      f"--mode={mode} needs an LSTM of codec voices, and this checkpoint is of"
      f" {_KINDS.get(kind, 'a VAE')}: train configs/voices.py or leave --mode"
      " out"
    )
  chosen = mode or (kind if kind in _KINDS else "prior")
  foreign = set().union(*FLAGS.values()) - FLAGS[chosen]
  for name in sorted(foreign & given):
    owners = [_named(owner) for owner in FLAGS if name in FLAGS[owner]]
    raise UserError(
      f"--{name} has no meaning for {_named(chosen)}; it has one for"
      f" {', '.join(owners)}"
    )
  return chosen


def _named(mode: str) -> str:
  return _KINDS.get(mode, f"--mode={mode}")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Settings:
  """What decides the samples of a VAE.

  Attributes:
    mode: one of VAE_MODES.
    inputs: MIDI files to start from.
    bar: first bar of the only window to take of each, or None.
    num: pieces 0..num - 1; one an input for reconstruct and attribute.
    only: numbers of the pieces to write; all where empty.
    seed: of all pieces.
    batch_size: windows decoded together; the same for bit-equal repeats.
    strategy: how tokens are drawn; by default the most likely ones, and at
      temperature 1 from the prior.
    prior: one of PRIORS.
    z_temperature: factor on the spread of z around the prior's mean.
    amount: how far z is moved, AMOUNTS by default.
    attribute: along whose vector, for that mode.
  """

  mode: str
  inputs: tuple[str, ...] = ()
  bar: int | None = None
  num: int
  only: tuple[int, ...] = ()
  seed: int = 0
  batch_size: int = 16
  strategy: Strategy
  prior: str = "standard"
  z_temperature: float = 1.0
  amount: float = 0.0
  attribute: str = ""

  def check(self) -> None:
    """Raises UserError where a value has no meaning."""
    self.strategy.check()
    self._check_inputs()
    for name, value in (("num", self.num), ("batch_size", self.batch_size)):
      if value <= 0:
        raise UserError(f"--{name} must be above 0")
    if not 0 <= self.z_temperature <= FARTHEST:
      raise UserError(
        f"--z_temperature={self.z_temperature} is not in 0..{FARTHEST}"
      )
    if not -FARTHEST <= self.amount <= FARTHEST:
      raise UserError(
        f"--amount={self.amount} is not in -{FARTHEST}..{FARTHEST}"
      )
    if self.mode == "attribute" and self.attribute not in attributes.NAMES:
      raise UserError(
        f"--attribute={self.attribute} is none: give one of"
        f" {', '.join(attributes.NAMES)}"
      )
    for index in self.only:
      if not 0 <= index < self.num:
        raise UserError(f"--only={index} is not in 0..{self.num - 1}")

  def _check_inputs(self) -> None:
    count = len(self.inputs)
    fits = {
      "prior": (True, ""),
      "interpolate": (count == 2, "exactly two"),
      "vary": (count == 1, "exactly one"),
    }
    holds, wanted = fits.get(self.mode, (count > 0, "at least one"))
    if not holds:
      raise UserError(
        f"--mode={self.mode} needs {wanted} --input=FILE.mid, not {count}"
      )
    if self.mode == "interpolate" and self.num < 2:
      raise UserError(
        f"--num={self.num}: --mode=interpolate writes both ends, so at least 2"
      )
