"""Rows of the benchmark table: nats of frames to figures, over seeds.

S seeds, F frames, P pieces of the test split.
"""

import hashlib
import os
import pathlib
from collections.abc import Sequence

import jax
import numpy as np

from musegen_jax.errors import UserError
from musegen_jax.evaluation import bootstrap, frame_rules
from musegen_jax.evaluation.frame_baselines import Baseline
from musegen_jax.evaluation.frame_published import SETS

# The published figures have three decimals.
_TOLERANCE = 6e-4


def row(
  model: str,
  kind: str,
  test: Sequence[np.ndarray],
  lengths: np.ndarray,
  **facts: object,
) -> dict:
  """One model's figures as JSON: by rule the mean, the standard deviation over
  seeds (None for one seed) and each seed's.

  Args:
    model: name.
    kind: "baseline", "model" or "ensemble".
    test: S arrays float64 [F], nats of every test frame.
    lengths: integer [P], frames of each piece.
    facts: what else the row says, such as parameters.

  The interval is that of rule (b) over pieces for the mean over seeds: how far
  the figure depends on which pieces make up the test split.
  """
  by_seed = [frame_rules.averages(nll, lengths) for nll in test]
  figures = {}
  for rule in frame_rules.RULES:
    values = [averages[rule] for averages in by_seed]
    spread = float(np.std(values, ddof=1)) if len(values) > 1 else None
    mean = float(np.mean(values))
    figures[rule] = {"mean": mean, "sd": spread, "seeds": values}
  pooled = frame_rules.later_frames(np.mean(test, axis=0), lengths)
  return {
    "model": model,
    "kind": kind,
    "figures": figures,
    "interval": list(bootstrap.ratio_interval(*pooled)),
    **facts,
  }


def baseline_row(
  baseline: Baseline, test_lengths: np.ndarray, valid_lengths: np.ndarray
) -> dict:
  """The row of a baseline; lengths are integer [P] of either split."""
  valid = frame_rules.averages(baseline.valid, valid_lengths)["b"]
  return row(
    baseline.name,
    "baseline",
    [baseline.test],
    test_lengths,
    valid=[valid],
    note=f"order {baseline.order}, by validation" if baseline.order else "",
  )


def ensemble(test: Sequence[np.ndarray]) -> np.ndarray:
  """Nats float64 [F] of the mean over S seeds of each frame's probability.

  That mean is itself a distribution over frames given the past, so this is an
  exact likelihood too, but of S models.
  """
  logs = np.logaddexp.reduce(-np.asarray(test, np.float64), axis=0)
  return np.log(len(test)) - logs


def self_test(path: pathlib.Path, one_gram: float) -> str:
  """Holds the note 1-gram against print where the file is a published one.

  Args:
    path: the data.
    one_gram: nats a frame of the note 1-gram on its test split, rule (a).

  Returns the line to print. Raises UserError where the figure is another: then
  the file was misread, or the average is not the literature's.
  """
  published = {known.sha256: known for known in SETS.values()}
  digest = ""
  if path.is_file():
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
  if digest not in published:
    return f"No self-test: {path} is none of the published files"
  expected = published[digest].one_gram
  if abs(one_gram - expected) > _TOLERANCE:
    raise UserError(
      f"self-test: the note 1-gram reads {one_gram:.3f} on {path}, not"
      f" {expected:.3f}; these figures cannot be compared with print: run"
      " python -m pytest tests/evaluation/frame_baselines_test.py"
    )
  return (
    f"Self-test passed: the note 1-gram reads {one_gram:.3f} under rule (a), as"
    " in print"
  )


def machine() -> dict:
  """What this process runs on: JAX's platform, device and the CPU cores."""
  device = jax.local_devices()[0]
  return {
    "platform": device.platform,
    "device": device.device_kind,
    "devices": jax.local_device_count(),
    "cpu_cores": len(os.sched_getaffinity(0)),
    "jax": jax.__version__,
  }
