"""One evaluation of a model of frames, beside what counts give.

F frames, P pieces of a split.
"""

import jax
import numpy as np

from musegen_jax import config as config_lib
from musegen_jax.data import frame_sets
from musegen_jax.data import frames as rolls_lib
from musegen_jax.data.frames import Rolls
from musegen_jax.evaluation import (
  bootstrap,
  frame_baselines,
  frame_likelihood,
  frame_rows,
  frame_rules,
)
from musegen_jax.evaluation import markdown as markdown_lib
from musegen_jax.evaluation.run import codec_of, count_parameters
from musegen_jax.models import frame_features, frames


def evaluate(
  params: dict, meta: dict, split: str, data_dir: str, baseline: bool
) -> dict:
  """Scores a checkpoint on one split, on the grid that it was trained on.

  Args:
    params: of the checkpoint.
    meta: of the checkpoint.
    split: train, valid or test.
    data_dir: of the pieces, or a benchmark's .npz; empty for the run's own.
    baseline: whether to fit and score the counts of keys and frames too.

  Returns:
    JSON with the rows and what they were measured on.
  """
  config, codec = config_lib.from_dict(meta["config"]), codec_of(meta)
  articulation = config.frames.articulation
  found = frame_sets.read(data_dir or config.data.data_dir, codec)
  scored = found.splits[split]
  nll = score(params, config, scored, split)
  rows = [frame_rows.row("frame LSTM", "model", [nll], scored.lengths, note="")]
  gains = []
  if baseline:
    train, valid = found.splits["train"], found.splits["valid"]
    lengths = scored.lengths, valid.lengths
    for each in frame_baselines.fit(train, valid, scored, articulation):
      rows.append(frame_rows.baseline_row(each, *lengths))
      gains.append(gain(each.name, nll, each.test, scored.lengths))
  return {
    "kind": config.model.kind,
    "split": split,
    "codec": codec.name,
    "seconds_per_frame": codec.seconds_per_step,
    "data_fingerprint": found.fingerprint,
    "same_data": found.fingerprint == meta["data_fingerprint"],
    "pieces": len(scored),
    "frames": len(scored.frames),
    "notes": int((scored.frames == rolls_lib.STRUCK).sum()),
    "skipped": scored.skipped,
    "scored": "silent, struck or held"
    if articulation
    else "silent or sounding",
    "rules": frame_rules.RULES,
    "parameters": count_parameters(params),
    "rows": rows,
    "gains": gains,
  }


def score(
  params: dict, config: config_lib.Config, scored: Rolls, name: str
) -> np.ndarray:
  """Nats of every frame of a split, float64 [F]; `name` it in messages."""
  model = frames.from_config(config)
  heard = frame_features.of_rolls(scored, model.low, model.keys, name)
  return frame_likelihood.score(
    model,
    jax.device_put(params),
    jax.device_put(heard),
    scored.lengths,
  )


def gain(
  name: str, better: np.ndarray, worse: np.ndarray, lengths: np.ndarray
) -> dict:
  """Nats a frame, rule (b), by which nats [F] of one model are fewer than those
  of another, paired piece by piece; lengths are integer [P]."""
  sums, counts = frame_rules.later_frames(worse - better, lengths)
  low, high = bootstrap.ratio_interval(sums, counts)
  value = float(sums.sum() / counts.sum())
  return {"over": name, "nats_per_frame": [value, low, high]}


def markdown(result: dict) -> str:
  """The result of an evaluation as text."""
  rules = list(result["rules"])
  cells = []
  for row in result["rows"]:
    figures = [f"{row['figures'][rule]['mean']:.3f}" for rule in rules]
    # The interval is of the main rule, which comes first.
    figures[0] += " [{:.3f}, {:.3f}]".format(*row["interval"])
    cells.append([row["model"], *figures, row["note"]])
  titles = ["model", *(f"({rule})" for rule in rules), "note"]
  lines = [
    f"split {result['split']}: {result['pieces']} pieces, {result['frames']}"
    f" frames of {result['seconds_per_frame']:g} s at 120 beats a minute,"
    f" {result['notes']} notes; keys are {result['scored']}",
    "exact nats a frame; intervals: 95 % percentile bootstrap over pieces,"
    f" {bootstrap.RESAMPLES} resamples",
    *(f"({rule}) {text}" for rule, text in result["rules"].items()),
    *markdown_lib.table(titles, cells),
  ]
  for each in result["gains"]:
    value, low, high = each["nats_per_frame"]
    lines.append(
      f"gain over {each['over']}: {value:.3f} [{low:.3f}, {high:.3f}] nats a"
      " frame, rule (b), paired by piece"
    )
  return "\n".join(lines)
