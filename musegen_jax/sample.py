"""Writes new MIDI: `python -m musegen_jax.sample --checkpoint=runs/lstm
--num=16 --output_dir=samples`."""

import pathlib

from absl import app, flags

from musegen_jax import errors
from musegen_jax.sampling import audio, decode, run
from musegen_jax.sampling.strategies import Strategy
from musegen_jax.training import checkpoints

_CHECKPOINT = flags.DEFINE_string(
  "checkpoint", None, "A run (its best checkpoint) or runs/x/checkpoints/100."
)
_OUTPUT_DIR = flags.DEFINE_string("output_dir", None, "Folder for the MIDI.")
_NUM = flags.DEFINE_integer("num", 16, "How many pieces.")
_ONLY = flags.DEFINE_multi_integer("only", [], "Write this piece alone again.")
_SEED = flags.DEFINE_integer("seed", 0, "Of all pieces.", lower_bound=0)
_SECONDS = flags.DEFINE_float("seconds", 30.0, "Longest music of a piece.")
_MIN_SECONDS = flags.DEFINE_float(
  "min_seconds", 5.0, "Least music of a piece, where --seconds is more."
)
_NOTE_SECONDS = flags.DEFINE_float("note_seconds", 5.0, "Longest note.")
_BATCH_SIZE = flags.DEFINE_integer("batch_size", 16, "Pieces drawn together.")
_TEMPERATURE = flags.DEFINE_float("temperature", 1.0, "0 is greedy.")
_TOP_K = flags.DEFINE_integer("top_k", 0, "Most likely tokens kept; 0: all.")
_TOP_P = flags.DEFINE_float("top_p", 1.0, "Probability kept; 1: all.")
_MIN_P = flags.DEFINE_float("min_p", 0.0, "Least share of the top; 0: all.")
_PRIMER = flags.DEFINE_multi_string(
  "primer", [], "MIDI file to continue; several are used in turn."
)
_BASELINE = flags.DEFINE_enum(
  "baseline", "", ["", "ngram"], "Sample the n-gram of the run's data instead."
)
_PNG = flags.DEFINE_bool("png", False, "Also draw piano-rolls.")
_WAV = flags.DEFINE_bool("wav", False, "Also render WAV with fluidsynth.")
_SOUNDFONT = flags.DEFINE_string("soundfont", "", "The .sf2 file for --wav.")
_OVERWRITE = flags.DEFINE_bool(
  "overwrite", False, "Replace other samples in --output_dir."
)


def main(argv: list[str]) -> None:
  """Loads, samples, writes."""
  if len(argv) > 1:
    raise app.UsageError(f"unexpected arguments: {argv[1:]}")
  settings = run.Settings(
    num=_NUM.value,
    only=tuple(_ONLY.value),
    seed=_SEED.value,
    lengths=decode.Lengths(
      _SECONDS.value, _MIN_SECONDS.value, _NOTE_SECONDS.value
    ),
    batch_size=_BATCH_SIZE.value,
    primers=tuple(_PRIMER.value),
    strategy=Strategy(
      _TEMPERATURE.value, _TOP_K.value, _TOP_P.value, _MIN_P.value
    ),
    baseline=_BASELINE.value,
  )
  settings.check()
  font = audio.check(_SOUNDFONT.value) if _WAV.value else None
  loaded = checkpoints.load(_CHECKPOINT.value)
  folder = pathlib.Path(_OUTPUT_DIR.value)
  result = run.sample(
    loaded.params,
    {"checkpoint": str(loaded.path), "step": loaded.step},
    loaded.meta,
    settings,
    folder,
    overwrite=_OVERWRITE.value,
    png=_PNG.value,
    soundfont=font,
  )
  print("\n".join(run.summary(result, folder)))


if __name__ == "__main__":
  flags.mark_flags_as_required(["checkpoint", "output_dir"])
  errors.run(main)
