"""Writes new MIDI: `python -m musegen_jax.sample --checkpoint=runs/lstm
--num=16 --output_dir=samples`; --mode asks for something else."""

import pathlib

from absl import flags

from musegen_jax import config as config_lib
from musegen_jax import errors, sample_flags, startup
from musegen_jax.sampling import (
  audio,
  harmonise_run,
  latent_run,
  modes,
  run,
)
from musegen_jax.training import checkpoints

_CHECKPOINT = flags.DEFINE_string(
  "checkpoint", None, "A run (its best checkpoint) or runs/x/checkpoints/100."
)
_OUTPUT_DIR = flags.DEFINE_string("output_dir", None, "Folder for the MIDI.")
_DATA_DIR = flags.DEFINE_string(
  "data_dir",
  "",
  "The run's data, where it was moved; read once by --prior=fitted and"
  " --mode=attribute.",
)
_PNG = flags.DEFINE_bool("png", False, "Also draw piano-rolls.")
_WAV = flags.DEFINE_bool("wav", False, "Also render WAV with fluidsynth.")
_SOUNDFONT = flags.DEFINE_string("soundfont", "", "The .sf2 file for --wav.")
_OVERWRITE = flags.DEFINE_bool(
  "overwrite", False, "Replace other samples in --output_dir."
)
flags.adopt_module_key_flags(sample_flags)


def main(argv: list[str]) -> None:
  """Loads, samples, writes."""
  del argv
  startup.prepare()
  # Before the checkpoint is read: mistakes that need no model to be seen.
  sample_flags.strategy().check()
  font = audio.check(_SOUNDFONT.value) if _WAV.value else None
  loaded = checkpoints.load(_CHECKPOINT.value)
  config = config_lib.from_dict(loaded.meta["config"])
  settings = sample_flags.settings(config.model.kind)
  header = {"checkpoint": str(loaded.path), "step": loaded.step}
  folder = pathlib.Path(_OUTPUT_DIR.value)
  also = {"overwrite": _OVERWRITE.value, "png": _PNG.value, "soundfont": font}
  if isinstance(settings, modes.Settings):
    result = latent_run.sample(
      loaded, header, settings, folder, data_dir=_DATA_DIR.value, **also
    )
  else:
    harmonises = isinstance(settings, harmonise_run.Settings)
    result = (harmonise_run if harmonises else run).sample(
      loaded.params, header, loaded.meta, settings, folder, **also
    )
  print("\n".join(run.summary(result, folder)))


if __name__ == "__main__":
  flags.mark_flags_as_required(["checkpoint", "output_dir"])
  errors.run(main)
