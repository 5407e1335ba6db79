"""Scores a checkpoint: `python -m musegen_jax.evaluate --checkpoint=runs/lstm
--split=test`."""

import json
import sys

from absl import app, flags

from musegen_jax import errors
from musegen_jax.evaluation import run, table
from musegen_jax.training import checkpoints

_CHECKPOINT = flags.DEFINE_string(
  "checkpoint", None, "A run (its best checkpoint) or runs/x/checkpoints/100."
)
_SPLIT = flags.DEFINE_enum(
  "split", "test", ["train", "valid", "test"], "Pieces to score."
)
_DATA_DIR = flags.DEFINE_string(
  "data_dir", "", "Another data set; the run's own by default."
)
_BASELINE = flags.DEFINE_bool(
  "baseline", True, "Also fit and score the n-gram baselines."
)
_JSON = flags.DEFINE_bool("json", False, "Print JSON instead of a table.")


def main(argv: list[str]) -> None:
  """Loads, scores, prints."""
  if len(argv) > 1:
    raise app.UsageError(f"unexpected arguments: {argv[1:]}")
  loaded = checkpoints.load(_CHECKPOINT.value)
  result = run.evaluate(
    loaded.params, loaded.meta, _SPLIT.value, _DATA_DIR.value, _BASELINE.value
  )
  result = {"checkpoint": str(loaded.path), "step": loaded.step} | result
  if _JSON.value:
    print(json.dumps(result, indent=2))
    return
  print(
    f"checkpoint {loaded.path}, step {loaded.step},"
    f" {result['parameters']} parameters"
  )
  if not result["same_data"]:
    print("warning: not the data this model was trained on", file=sys.stderr)
  print(table.markdown(result))


if __name__ == "__main__":
  flags.mark_flag_as_required("checkpoint")
  errors.run(main)
