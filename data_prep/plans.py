"""What a build is of: its settings and inputs, and who may use its folder.

Every task of a job array comes to the same plan. A finished data set is never
overwritten by another plan; an unfinished build is taken over, and whoever
was still at it stops before it puts anything in place.
"""

import dataclasses
import hashlib
import json
import pathlib
from typing import Any

from musegen_jax import atomic
from musegen_jax.data import shard_writer, shards
from musegen_jax.errors import UserError

PLAN = "plan.json"


@dataclasses.dataclass(frozen=True)
class Plan:
  """All that decides what is built.

  Attributes:
    settings: values that JSON holds, by flag name.
    inputs: sha256 of the list of inputs.
  """

  settings: dict[str, Any]
  inputs: str

  @property
  def sha256(self) -> str:
    """Hex hash of both."""
    return hashlib.sha256(self.to_json()).hexdigest()

  def to_json(self) -> bytes:
    """The plan as JSON."""
    return shard_writer.dump_json(
      dataclasses.asdict(self) | {"format_version": shards.FORMAT_VERSION}
    )


def claim(output_dir: pathlib.Path, plan: Plan) -> None:
  """Makes `output_dir` the folder of this plan.

  Raises UserError where it holds a finished data set of another plan.
  """
  output_dir.mkdir(parents=True, exist_ok=True)
  old = _read(output_dir)
  if old == plan:
    return
  if (output_dir / shards.INDEX).exists():
    raise UserError(
      f"{output_dir} holds a data set made from other {_difference(old, plan)}:"
      " choose another --output_dir or delete that folder"
    )
  if old is not None:
    print(f"starting again: other {_difference(old, plan)} than before")
  atomic.write(output_dir / PLAN, plan.to_json())


def check(output_dir: pathlib.Path, plan: Plan) -> None:
  """Raises UserError when another plan has taken the folder over."""
  if _read(output_dir) != plan:
    raise UserError(
      f"another build with other settings or inputs took {output_dir} over:"
      " give each build its own --output_dir"
    )


def _read(output_dir: pathlib.Path) -> Plan | None:
  try:
    old = json.loads((output_dir / PLAN).read_text())
    if old.pop("format_version") != shards.FORMAT_VERSION:
      return None
    return Plan(**old)
  except (OSError, ValueError, KeyError, TypeError, AttributeError):
    return None  # none yet, or damaged


def _difference(old: Plan | None, new: Plan) -> str:
  if old is None:
    return "settings"
  changed = [
    f"{name} {old.settings.get(name)}, now {value}"
    for name, value in new.settings.items()
    if old.settings.get(name) != value
  ]
  if old.inputs != new.inputs:
    changed.append("files or labels")
  return "settings (" + "; ".join(changed) + ")" if changed else "settings"
