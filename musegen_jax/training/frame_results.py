"""What the benchmark keeps of a trained seed, so that it trains none twice.

A folder a seed: checkpoints/ (for sampling), nll.npz, and result.json, written
last: without it the seed is not finished.
"""

import dataclasses
import io
import json
import pathlib
import shutil
from typing import Any

import jax
import numpy as np

from musegen_jax import atomic
from musegen_jax.errors import UserError
from musegen_jax.training import checkpoints
from musegen_jax.training.state import State

RESULT, NLL = "result.json", "nll.npz"


@dataclasses.dataclass(frozen=True)
class Stored:
  """One finished seed.

  Attributes:
    seed: its number.
    nll: split -> nats of every frame, float64 [F].
    facts: JSON: step (of the checkpoint that validation picked), valid (nats a
      frame, rule b), parameters, seconds, machine, curve.
  """

  seed: int
  nll: dict[str, np.ndarray]
  facts: dict[str, Any]


def folder_of(study: pathlib.Path, seed: int) -> pathlib.Path:
  """Where a seed of a study is kept."""
  return study / f"seed{seed}"


def save(study: pathlib.Path, stored: Stored, params: dict, meta: dict) -> None:
  """Writes a seed; `params` and `meta` are those of its checkpoint, whose label
  is the step."""
  folder = folder_of(study, stored.seed)
  # What a killed run left would stand beside this run's checkpoint.
  shutil.rmtree(folder, ignore_errors=True)
  folder.mkdir(parents=True)
  state = State(
    step=np.asarray(stored.facts["step"], np.int32),
    params=jax.device_get(params),
    opt_state={},
    carry=None,
  )
  with checkpoints.open_manager(folder / "checkpoints", keep=1) as manager:
    checkpoints.save(manager, state, meta, stored.facts["valid"])
    manager.wait_until_finished()
  arrays = io.BytesIO()
  np.savez_compressed(arrays, **stored.nll)
  atomic.write(folder / NLL, arrays.getvalue())
  text = json.dumps({"seed": stored.seed} | stored.facts, indent=2) + "\n"
  atomic.write(folder / RESULT, text.encode())


def load(study: pathlib.Path, seed: int) -> Stored | None:
  """Reads a seed, or None where it is not finished.

  Raises UserError where its files are damaged.
  """
  folder = folder_of(study, seed)
  if not (folder / RESULT).exists():
    return None
  try:
    facts = dict(json.loads((folder / RESULT).read_text()))
    with np.load(folder / NLL, allow_pickle=False) as arrays:
      nll = {split: arrays[split] for split in ("valid", "test")}
    return Stored(facts.pop("seed"), nll, facts)
  except Exception:  # no JSON, no zip, half of either: each its own error
    raise UserError(
      f"{folder} is damaged: remove it to train that seed again"
    ) from None
