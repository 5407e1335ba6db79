"""Tunes a study of frames on validation: `python -m musegen_jax.search
--data=jsb --config=configs/frames_sigmoid.py --output_dir=runs/search`."""

import functools
import pathlib
import sys

from absl import flags

from musegen_jax import errors, frame_flags, startup
from musegen_jax.training import frame_search

_TRIALS = flags.DEFINE_integer(
  "trials", 16, "Settings to train, drawn from the space.", lower_bound=1
)
_SEED = flags.DEFINE_integer("seed", 0, "Seed of the draws.", lower_bound=0)
_OUTPUT_DIR = flags.DEFINE_string(
  "output_dir",
  None,
  "Folder of a folder a study and set; the same command goes on from there.",
)


def main(argv: list[str]) -> None:
  """Searches every study on every set and prints the trials, best first."""
  del argv
  startup.prepare()
  given = flags.FLAGS
  sources, studies = frame_flags.read(given.data, given.data_dir, given.config)
  spaces = {
    pathlib.Path(path).stem: frame_flags.space(path) for path in given.config
  }
  log = functools.partial(print, file=sys.stderr, flush=True)
  for study, configs in studies.items():
    for source in sources:
      search = frame_search.Search(
        config=configs[source.name],
        space=spaces[study],
        trials=_TRIALS.value,
        seed=_SEED.value,
        folder=pathlib.Path(_OUTPUT_DIR.value) / f"{study}-{source.name}",
      )
      # The test split stops here.
      splits = source.splits["train"], source.splits["valid"]
      print(frame_search.markdown(frame_search.run(search, *splits, log)))


if __name__ == "__main__":
  flags.mark_flag_as_required("output_dir")
  errors.run(main, functools.partial(frame_flags.define, "jsb"))
