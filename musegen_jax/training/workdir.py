"""The folder of one run: its lock, its identity, its metrics."""

import contextlib
import fcntl
import json
import pathlib
from collections.abc import Iterator

from musegen_jax import atomic
from musegen_jax import config as config_lib
from musegen_jax.errors import UserError

IDENTITY = "config.json"


@contextlib.contextmanager
def lock(workdir: pathlib.Path, flag: str = "--workdir") -> Iterator[None]:
  """Holds the folder for one trainer; freed by the system when it dies.

  Raises UserError while another trainer holds it; `flag` is what named it.
  """
  workdir.mkdir(parents=True, exist_ok=True)
  with (workdir / "lock").open("a") as file:
    try:
      fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
      raise UserError(
        f"another trainer is working in {workdir}; wait for it or give"
        f" another {flag}"
      ) from None
    yield


def read_identity(
  workdir: pathlib.Path, flag: str = "--workdir"
) -> dict | None:
  """What the run that began here wrote of itself, or None where none did.

  Raises UserError where it is damaged; `flag` is what named the folder.
  """
  path = workdir / IDENTITY
  try:
    return dict(json.loads(path.read_text()))
  except FileNotFoundError:
    return None
  except (TypeError, ValueError):
    raise UserError(
      f"{path} is no JSON; give another {flag} or restore it"
    ) from None


def check_identity(
  workdir: pathlib.Path, identity: dict, flag: str = "--workdir"
) -> None:
  """Writes config, vocabulary and data fingerprint, or compares them with
  those of the run that began here; raises UserError saying what differs.
  `flag` is what named the folder."""
  stored = read_identity(workdir, flag)
  if stored is None:
    text = json.dumps(identity, indent=2) + "\n"
    atomic.write(workdir / IDENTITY, text.encode())
    return
  lines = config_lib.differences(stored, identity)
  if lines:
    raise UserError(
      f"{workdir} holds a run that differs: {'; '.join(lines)}; give another"
      f" {flag} or the settings of that run"
    )
