"""The flags of `musegen_jax.sample` that decide the samples."""

import dataclasses

from absl import flags

from musegen_jax.evaluation import attributes
from musegen_jax.sampling import (
  decode,
  harmonise,
  harmonise_run,
  modes,
  run,
)
from musegen_jax.sampling.strategies import Strategy

_NUM = flags.DEFINE_integer("num", 16, "How many pieces.")
_ONLY = flags.DEFINE_multi_integer("only", [], "Write this piece alone again.")
_SEED = flags.DEFINE_integer(
  "seed", 0, "Of all pieces.", lower_bound=0, upper_bound=2**31 - 1
)
_BATCH_SIZE = flags.DEFINE_integer("batch_size", 16, "Pieces drawn together.")
_TEMPERATURE = flags.DEFINE_float(
  "temperature",
  None,
  "Of the output; 0 is greedy. By default 1, 0 for a VAE's --mode that starts"
  f" from --input, {harmonise_run.TEMPERATURE} for harmonise, which falls to it"
  f" from {harmonise.FIRST_TEMPERATURE:g} times as much.",
)
_TOP_K = flags.DEFINE_integer("top_k", 0, "Most likely tokens kept; 0: all.")
_TOP_P = flags.DEFINE_float("top_p", 1.0, "Probability kept; 1: all.")
_MIN_P = flags.DEFINE_float("min_p", 0.0, "Least share of the top; 0: all.")

_SECONDS = flags.DEFINE_float(
  "seconds",
  30.0,
  "Longest music of a piece; of a model of frames, its length.",
)
_MIN_SECONDS = flags.DEFINE_float(
  "min_seconds", 5.0, "Least music of a piece, where --seconds is more."
)
_NOTE_SECONDS = flags.DEFINE_float("note_seconds", 5.0, "Longest note.")
_PRIMER = flags.DEFINE_multi_string(
  "primer",
  [],
  "MIDI file an LSTM or a model of frames continues; several are used in turn.",
)
_BASELINE = flags.DEFINE_enum(
  "baseline", "", ["", "ngram"], "Sample the n-gram of the run's data instead."
)

_MODE = flags.DEFINE_enum(
  "mode",
  None,
  modes.MODES,
  "Of a VAE, prior by default. reconstruct: each --input through the model;"
  " interpolate: --num points from one --input to another; vary: --num pieces"
  " near the --input; attribute: the --input with more of --attribute. Of an"
  " LSTM of codec voices, harmonise: --num times three voices below the melody"
  " of the --input.",
)
_INPUT = flags.DEFINE_multi_string(
  "input", [], "MIDI file to start from; its best line is taken."
)
_BAR = flags.DEFINE_integer(
  "bar",
  None,
  "Take of each --input the one window that begins in this bar, counted from 0;"
  " by default all windows that follow each other, for interpolate the first.",
  lower_bound=0,
)
_PRIOR = flags.DEFINE_enum(
  "prior",
  "standard",
  modes.PRIORS,
  "Where z comes from: N(0, I), or the Gaussian fitted to the posteriors of the"
  " training split.",
)
_Z_TEMPERATURE = flags.DEFINE_float(
  "z_temperature", 1.0, "Factor on the spread of z around the prior's mean."
)
_AMOUNT = flags.DEFINE_float(
  "amount",
  None,
  "How far z moves. vary: standard deviations of noise, 0.3 by default (1 is"
  " as wide as the prior); attribute: lengths of its vector, 1 by default (from"
  " the lower to the upper quarter of the training windows), below 0 for less.",
)
_ATTRIBUTE = flags.DEFINE_string(
  "attribute", "", f"What to change: {', '.join(attributes.NAMES)}."
)
_SWEEPS = flags.DEFINE_integer(
  "sweeps",
  20,
  "For harmonise: how often all voices below are drawn again, block by block,"
  " with what follows in view; 0 leaves them as said from left to right.",
)


def strategy() -> Strategy:
  """How tokens are drawn, at temperature 1 unless another was given."""
  temperature = 1.0 if _TEMPERATURE.value is None else _TEMPERATURE.value
  return Strategy(temperature, _TOP_K.value, _TOP_P.value, _MIN_P.value)


def settings(
  kind: str,
) -> run.Settings | modes.Settings | harmonise_run.Settings:
  """What the flags ask of a model of that kind, checked; raises UserError where
  they ask what it cannot do."""
  given = {name for name in flags.FLAGS if flags.FLAGS[name].present}
  mode = modes.resolve(kind, _MODE.value, given)
  if mode == modes.HARMONISE:
    chosen = _harmonise()
  else:
    new = mode in (modes.LSTM, modes.FRAMES)
    chosen = _new_pieces() if new else _vae(mode)
  chosen.check()
  return chosen


def _new_pieces() -> run.Settings:
  return run.Settings(
    num=_NUM.value,
    only=tuple(_ONLY.value),
    seed=_SEED.value,
    lengths=decode.Lengths(
      _SECONDS.value, _MIN_SECONDS.value, _NOTE_SECONDS.value
    ),
    batch_size=_BATCH_SIZE.value,
    primers=tuple(_PRIMER.value),
    strategy=strategy(),
    baseline=_BASELINE.value,
  )


def _harmonise() -> harmonise_run.Settings:
  return harmonise_run.Settings(
    inputs=tuple(_INPUT.value),
    num=_NUM.value,
    only=tuple(_ONLY.value),
    seed=_SEED.value,
    batch_size=_BATCH_SIZE.value,
    sweeps=_SWEEPS.value,
    temperature=harmonise_run.TEMPERATURE
    if _TEMPERATURE.value is None
    else _TEMPERATURE.value,
  )


def _vae(mode: str) -> modes.Settings:
  greedy = mode != "prior" and _TEMPERATURE.value is None
  amount, inputs = _AMOUNT.value, tuple(_INPUT.value)
  return modes.Settings(
    mode=mode,
    inputs=inputs,
    bar=_BAR.value,
    num=_NUM.value if "num" in modes.FLAGS[mode] else len(inputs),
    only=tuple(_ONLY.value),
    seed=_SEED.value,
    batch_size=_BATCH_SIZE.value,
    strategy=dataclasses.replace(strategy(), temperature=0.0)
    if greedy
    else strategy(),
    prior=_PRIOR.value,
    z_temperature=_Z_TEMPERATURE.value,
    amount=modes.AMOUNTS.get(mode, 0.0) if amount is None else amount,
    attribute=_ATTRIBUTE.value,
  )
