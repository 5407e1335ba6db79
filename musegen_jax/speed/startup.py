"""--what=startup: from the start of the trainer to its first finished step."""

import os
import pathlib
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence

from musegen_jax.data import shards
from musegen_jax.errors import UserError
from musegen_jax.speed import data, report
from musegen_jax.speed.timing import Settings
from musegen_jax.training import writer

REPEATS = 3
_ROOT = pathlib.Path(__file__).parents[2]
_CONFIG = _ROOT / "configs" / "quickstart.py"
_PATIENCE = 300.0
_PAUSE = 0.005


def first_row_seconds(
  command: Sequence[str], workdir: pathlib.Path, environment: dict[str, str]
) -> float:
  """Seconds from the start of a process to the first row of its metrics; then
  it is stopped by SIGTERM, as a user would.

  Raises UserError where it ends or waits too long before.
  """
  log = workdir.with_suffix(".log")
  with log.open("wb") as output:
    start = time.perf_counter()
    process = subprocess.Popen(
      command, cwd=_ROOT, env=environment, stdout=output, stderr=output
    )
    try:
      seconds = _wait_for_row(process, workdir / writer.METRICS, start)
      process.send_signal(signal.SIGTERM)
      process.wait(_PATIENCE)
    finally:
      if process.poll() is None:
        process.kill()
        process.wait()
  if seconds is None:
    tail = log.read_text(errors="replace").strip().splitlines()[-1:]
    raise UserError(f"{' '.join(command)} made no step: {' '.join(tail)}")
  return seconds


def _wait_for_row(
  process: subprocess.Popen, path: pathlib.Path, start: float
) -> float | None:
  while process.poll() is None:
    if path.exists() and path.stat().st_size:
      return time.perf_counter() - start
    if time.perf_counter() - start > _PATIENCE:
      return None
    time.sleep(_PAUSE)
  return None


def _import_seconds(environment: dict[str, str]) -> float:
  start = time.perf_counter()
  command = [sys.executable, "-c", "import musegen_jax.train"]
  subprocess.run(command, cwd=_ROOT, env=environment, check=True)
  return time.perf_counter() - start


def measure(
  data_dir: pathlib.Path, repeats: int, overrides: Sequence[str]
) -> dict[str, list[float]]:
  """Seconds of each start, by kind: import alone, cold, and warm, which finds
  compiled programs and tokens of the cold one."""
  seconds: dict[str, list[float]] = {"import": [], "cold": [], "warm": []}
  kept = {k: v for k, v in os.environ.items() if "COMPILATION_CACHE" not in k}
  kept.pop("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", None)
  for _ in range(repeats):
    with tempfile.TemporaryDirectory() as name:
      folder = pathlib.Path(name)
      data.copy_shards(data_dir, folder / "shards")
      cache = {"JAX_COMPILATION_CACHE_DIR": str(folder / "cache")}
      environment = kept | cache
      seconds["import"].append(_import_seconds(environment))
      for kind in ("cold", "warm"):
        command = [
          *(sys.executable, "-m", "musegen_jax.train", f"--config={_CONFIG}"),
          f"--workdir={folder / kind}",
          f"--config.data.data_dir={folder / 'shards'}",
          "--config.train.log_every=1",
          *overrides,
        ]
        seconds[kind].append(
          first_row_seconds(command, folder / kind, environment)
        )
  return seconds


def run(
  settings: Settings,
  data_dir: pathlib.Path,
  repeats: int = REPEATS,
  overrides: Sequence[str] = (),
) -> report.Section:
  """The section of the quickstart's starts."""
  if not (data_dir / shards.INDEX).exists():
    reason = f"no data set in {data_dir}; {data.ADVICE}"
    return report.not_measured("startup", reason)
  if not _CONFIG.exists():
    reason = f"no {_CONFIG}; run from a checkout of the repository"
    return report.not_measured("startup", reason)
  with settings.every_core():
    seconds = measure(data_dir, repeats, overrides)
    cores = len(os.sched_getaffinity(0)) if settings.allowed else os.cpu_count()
  kinds = {
    "import": "import of the program alone",
    "cold": "first finished step, nothing kept from before",
    "warm": "first finished step, programs and tokens kept",
  }
  lines, figures = [], []
  for kind, name in kinds.items():
    fastest, middle = min(seconds[kind]), statistics.median(seconds[kind])
    lines.append((name, f"{fastest:.2f} / {middle:.2f} s"))
    figures.append(
      {"name": kind, "min_seconds": fastest, "median_seconds": middle}
    )
  about = (
    "From the start of `python -m musegen_jax.train` on configs/quickstart.py"
    f" to the first row of its metrics, on {cores} cores, wall time, minimum /"
    f" median of {repeats}."
  )
  return report.Section("startup", about, ("what", "time"), lines, figures)
