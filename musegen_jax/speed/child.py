"""One training step measured in a process of its own, for what a process
cannot change once it runs: XLA's flags and the number of devices."""

import dataclasses
import json
import os
import subprocess
import sys

from musegen_jax import startup
from musegen_jax.speed import timing, train
from musegen_jax.speed.sizes import Sizes


def seconds(
  sizes: Sizes, settings: timing.Settings, flags: str
) -> tuple[list[float], str]:
  """Seconds of a language model's training steps under XLA_FLAGS, and why
  there are none, if so."""
  order = {
    "sizes": dataclasses.asdict(sizes),
    "settings": dataclasses.asdict(settings),
  }
  given = os.environ.get("XLA_FLAGS", "")
  done = subprocess.run(
    [sys.executable, "-m", "musegen_jax.speed.child", json.dumps(order)],
    env=os.environ | {"XLA_FLAGS": f"{given} {flags}".strip()},
    capture_output=True,
    text=True,
  )
  if done.returncode:
    return [], _reason(done.stderr)
  return json.loads(done.stdout.splitlines()[-1]), ""


def _reason(errors: str) -> str:
  lines = [line.strip() for line in errors.splitlines() if line.strip()]
  unknown = [line for line in lines if "Unknown flag" in line]
  if unknown:
    names = unknown[0].split("XLA_FLAGS:")[-1].strip()
    return f"this jaxlib does not know the flag {names}"
  return lines[-1][:160] if lines else "the process ended without a word"


def main() -> None:
  """Measures what the argument says and prints it as the last line."""
  order = json.loads(sys.argv[1])
  settings = timing.Settings(**order["settings"])
  startup.prepare()
  call = train.language_step(Sizes(**order["sizes"]))
  print(json.dumps(timing.take_turns({"step": call}, settings)["step"]))


if __name__ == "__main__":
  main()
