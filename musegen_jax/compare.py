"""Says with figures which model is better: `python -m musegen_jax.compare
--runs=runs/lstm,runs/vae --output_dir=report`."""

import pathlib

from absl import flags

from musegen_jax import errors, startup
from musegen_jax.comparison import run, systems

_RUNS = flags.DEFINE_list(
  "runs",
  None,
  "Trained runs, or name:folder; runs of one name are seeds of one model, and"
  " without a name it is the folder's without the number at its end.",
)
_MIDI_DIR = flags.DEFINE_multi_string(
  "midi_dir", [], "name:folder of MIDI made elsewhere; may be given again."
)
_DATA_DIR = flags.DEFINE_string(
  "data_dir", "", "The data of the runs, where it was moved."
)
_OUTPUT_DIR = flags.DEFINE_string(
  "output_dir", None, "Folder for report.html, .md, .json and the MIDI."
)
_NUM = flags.DEFINE_integer(
  "num", 256, "Samples of each run, and held-out excerpts.", lower_bound=8
)
_SEED = flags.DEFINE_integer(
  "seed", 0, "Of all samples.", lower_bound=0, upper_bound=2**31 - 1
)
_SECONDS = flags.DEFINE_float(
  "seconds",
  30.0,
  "Length of an excerpt, for models that were trained on whole pieces.",
  lower_bound=1.0,
  upper_bound=600.0,
)
_BOUND_SAMPLES = flags.DEFINE_integer(
  "bound_samples",
  64,
  "K of a VAE's importance-weighted bound, a multiple of 16.",
  lower_bound=16,
)
_TITLE = flags.DEFINE_string("title", "Which is better", "Of the report.")
_PLOTS = flags.DEFINE_bool("plots", False, "Also write PNG and SVG files.")
_OVERWRITE = flags.DEFINE_bool(
  "overwrite", False, "Replace another report in --output_dir."
)


def main(argv: list[str]) -> None:
  """Compares and writes the report."""
  del argv
  startup.prepare()
  settings = run.Settings(
    runs=tuple(systems.parse(_RUNS.value, "runs", named=False)),
    folders=tuple(systems.parse(_MIDI_DIR.value, "midi_dir", named=True)),
    data_dir=_DATA_DIR.value,
    num=_NUM.value,
    seed=_SEED.value,
    seconds=_SECONDS.value,
    bound_samples=_BOUND_SAMPLES.value,
    title=_TITLE.value,
  )
  folder = pathlib.Path(_OUTPUT_DIR.value)
  report = run.compare(
    settings, folder, overwrite=_OVERWRITE.value, plots=_PLOTS.value
  )
  print("\n".join([*report["warnings"], *report["summary"]]))
  print(f"wrote {folder / 'report.html'}, report.md, report.json and the MIDI")


if __name__ == "__main__":
  flags.mark_flags_as_required(["runs", "output_dir"])
  errors.run(main)
