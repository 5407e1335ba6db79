"""Scores a checkpoint: `python -m musegen_jax.evaluate --checkpoint=runs/lstm
--split=test`."""

import json
import sys

from absl import flags

from musegen_jax import config as config_lib
from musegen_jax import errors, startup
from musegen_jax.evaluation import frame_run, run, table, vae_run, vae_table
from musegen_jax.training import checkpoints

SPLITS = ["train", "valid", "test"]
# What prints the figures; those of a language model have no kind.
TABLES = {"frames": frame_run, "vae": vae_table}

_CHECKPOINT = flags.DEFINE_string(
  "checkpoint", None, "A run (its best checkpoint) or runs/x/checkpoints/100."
)
_SPLIT = flags.DEFINE_enum(
  "split", "test", [*SPLITS, "all"], "Pieces to score; all: one by one."
)
_DATA_DIR = flags.DEFINE_string(
  "data_dir", "", "Another data set; the run's own by default."
)
_BASELINE = flags.DEFINE_bool(
  "baseline",
  True,
  "LSTM, model of frames: also fit and score the baselines of counts.",
)
_LSTM = flags.DEFINE_string(
  "lstm", "", "VAE: a language model of the same windows to stand beside it."
)
_BOUND_WINDOWS = flags.DEFINE_integer(
  "bound_windows",
  1000,
  "VAE: windows for the bound of 64 samples; a quarter for that of 512.",
  lower_bound=1,
)
_LATENT = flags.DEFINE_bool(
  "latent",
  None,
  "VAE: prior, interpolation and attributes too; by default on test alone.",
)
_JSON = flags.DEFINE_bool("json", False, "Print JSON instead of a table.")


def evaluate(
  loaded: checkpoints.Checkpoint,
  peer: checkpoints.Checkpoint | None,
  split: str,
) -> dict:
  """The figures of one split."""
  kind = config_lib.from_dict(loaded.meta["config"]).model.kind
  if kind == "vae":
    return vae_run.evaluate(
      loaded,
      split,
      _DATA_DIR.value,
      peer,
      latent=_LATENT.value,
      bound_windows=_BOUND_WINDOWS.value,
    )
  if peer:
    raise errors.UserError("--lstm stands beside a VAE: leave it out here")
  own = frame_run if kind == "frames" else run
  return own.evaluate(
    loaded.params, loaded.meta, split, _DATA_DIR.value, _BASELINE.value
  )


def main(argv: list[str]) -> None:
  """Loads, scores, prints."""
  del argv
  startup.prepare()
  loaded = checkpoints.load(_CHECKPOINT.value)
  peer = checkpoints.load(_LSTM.value) if _LSTM.value else None
  where = {"checkpoint": str(loaded.path), "step": loaded.step}
  results = []
  for split in SPLITS if _SPLIT.value == "all" else [_SPLIT.value]:
    result = where | evaluate(loaded, peer, split)
    results.append(result)
    if not result["same_data"]:
      print("warning: not the data this model was trained on", file=sys.stderr)
    if not _JSON.value:
      text = TABLES.get(result.get("kind"), table)
      print(table.heading(result))
      print(text.markdown(result), flush=True)
  if _JSON.value:
    print(json.dumps(results if len(results) > 1 else results[0], indent=2))


if __name__ == "__main__":
  flags.mark_flag_as_required("checkpoint")
  errors.run(main)
