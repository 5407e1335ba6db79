"""Checkpoints by Orbax, which is used in this file alone."""

import dataclasses
import pathlib
from typing import Any

import jax
import orbax.checkpoint as ocp
from orbax.checkpoint.checkpoint_managers import (
  preservation_policy,
  save_decision_policy,
)

from musegen_jax.errors import UserError
from musegen_jax.training.state import State

Manager = ocp.CheckpointManager


@dataclasses.dataclass(frozen=True)
class Checkpoint:
  """What evaluation and sampling need.

  Attributes:
    params: parameters on one device.
    meta: JSON that was saved beside them: config, vocabulary_hash,
      data_fingerprint, progress.
    step: completed updates.
    path: where it was read.
  """

  params: dict
  meta: dict
  step: int
  path: pathlib.Path


def _valid_loss(metrics: dict) -> float:
  return metrics["valid_loss"]


def open_manager(directory: pathlib.Path, keep: int) -> Manager:
  """Opens a folder of checkpoints that keeps the latest `keep` and the one of
  lowest validation loss."""
  return ocp.CheckpointManager(
    directory.absolute(),
    options=ocp.CheckpointManagerOptions(
      # The loop decides when to save.
      save_decision_policy=save_decision_policy.FixedIntervalPolicy(1),
      preservation_policy=preservation_policy.AnyPreservationPolicy(
        [
          preservation_policy.LatestN(keep),
          preservation_policy.BestN(
            get_metric_fn=_valid_loss,
            reverse=True,
            n=1,
            keep_checkpoints_without_metrics=False,
          ),
        ]
      ),
      best_fn=_valid_loss,
      best_mode="min",
    ),
  )


def save(
  manager: Manager,
  state: State,
  meta: dict,
  valid_loss: float | None,
) -> None:
  """Starts to write a state (host arrays) under its step; returns early."""
  step = int(state.step)
  if step in manager.all_steps():
    return
  manager.save(
    step,
    metrics=None if valid_loss is None else {"valid_loss": valid_loss},
    args=ocp.args.Composite(
      params=ocp.args.StandardSave(state.params),
      state=ocp.args.StandardSave(_without_params(state)),
      meta=ocp.args.JsonSave(meta),
    ),
  )


def _without_params(state: State) -> dict:
  return {
    "step": state.step,
    "opt_state": state.opt_state,
    "carry": state.carry,
  }


def restore(manager: Manager, like: State) -> tuple[State, dict] | None:
  """The latest state and its meta, or None where nothing was saved.

  `like` gives structure, shapes and dtypes.
  """
  step = manager.latest_step()
  if step is None:
    return None
  shapes = jax.tree.map(ocp.utils.to_shape_dtype_struct, like)
  try:
    restored = manager.restore(
      step,
      args=ocp.args.Composite(
        params=ocp.args.StandardRestore(shapes.params),
        state=ocp.args.StandardRestore(_without_params(shapes)),
        meta=ocp.args.JsonRestore(),
      ),
    )
  except Exception as error:  # Orbax raises many kinds for damaged files
    raise _damaged(pathlib.Path(manager.directory) / str(step), error) from None
  state = State(params=restored.params, **restored.state)
  return state, restored.meta


def _damaged(path: pathlib.Path, error: Exception) -> UserError:
  reason = " ".join(str(error).split()).split(". ")[0][:150]
  return UserError(
    f"checkpoint {path} cannot be read ({type(error).__name__}: {reason});"
    " remove it to go on from the one before"
  )


def load(path: str | pathlib.Path) -> Checkpoint:
  """Reads parameters for use on any number of devices.

  Args:
    path: a working directory or its checkpoints folder, which mean the
      checkpoint of lowest validation loss, or one numbered checkpoint.

  Raises UserError where there is none or it is damaged.
  """
  given = pathlib.Path(path)
  folder, step = given, None
  if given.name.isdigit() and not (given / "checkpoints").is_dir():
    folder, step = given.parent, int(given.name)
  elif (given / "checkpoints").is_dir():
    folder = given / "checkpoints"
  if not folder.is_dir():
    raise UserError(
      f"no checkpoint at {given}; give the --workdir of a training run"
    )
  try:
    return _load(given, folder, step)
  except UserError:
    raise
  except Exception as error:  # a damaged file can end the opening, too
    raise _damaged(folder, error) from None


def _load(
  given: pathlib.Path, folder: pathlib.Path, step: int | None
) -> Checkpoint:
  handlers: dict[str, Any] = {
    "params": ocp.StandardCheckpointHandler(),
    "meta": ocp.JsonCheckpointHandler(),
  }
  with ocp.CheckpointManager(
    folder.absolute(),
    options=ocp.CheckpointManagerOptions(
      read_only=True, best_fn=_valid_loss, best_mode="min"
    ),
    item_handlers=handlers,
  ) as manager:
    steps = manager.all_steps()
    if not steps or (step is not None and step not in steps):
      known = ", ".join(map(str, sorted(steps))) or "none"
      raise UserError(f"no checkpoint at {given}; steps there: {known}")
    if step is None:
      step = manager.best_step()
      step = manager.latest_step() if step is None else step
    try:
      metadata = manager.item_metadata(step)["params"]
      one = jax.sharding.SingleDeviceSharding(jax.local_devices()[0])
      shapes = jax.tree.map(
        lambda m: jax.ShapeDtypeStruct(m.shape, m.dtype, sharding=one),
        getattr(metadata, "tree", metadata),
      )
      restored = manager.restore(
        step,
        args=ocp.args.Composite(
          params=ocp.args.StandardRestore(shapes),
          meta=ocp.args.JsonRestore(),
        ),
      )
    except Exception as error:  # Orbax raises many kinds for damaged files
      raise _damaged(folder / str(step), error) from None
  return Checkpoint(restored.params, restored.meta, step, folder / str(step))
