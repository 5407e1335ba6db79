"""What the machine itself can do: its matrix products and its memory."""

import dataclasses
import importlib.metadata
import os
import pathlib
from typing import Any

import jax
import jax.numpy as jnp

from musegen_jax.speed import peers, report
from musegen_jax.speed.timing import Race, Settings, take_turns

# Enough that a GPU is measured, and not the way to it.
_REPEATS_ON_GPU = 10


@dataclasses.dataclass(frozen=True)
class Limits:
  """The rates that everything else is a share of.

  Attributes:
    gemm: FLOP/s of a square matrix product, by dtype, of the faster library.
    bandwidth: bytes/s of a copy, each byte counted as read and as written.
  """

  gemm: dict[str, float]
  bandwidth: float


@dataclasses.dataclass(frozen=True)
class Extent:
  """How large the arrays are.

  Attributes:
    gemm: rows of the square matrices by dtype.
    copied: bytes of the array that is copied.
  """

  gemm: dict[str, int]
  copied: int


def extent(platform: str) -> Extent:
  """Large enough for the limit of a platform, small enough to wait for."""
  if platform == "cpu":
    return Extent({"float32": 2048, "bfloat16": 1024}, 1 << 28)
  return Extent({"float32": 8192, "bfloat16": 8192}, 1 << 31)


def describe(settings: Settings) -> dict[str, Any]:
  """Names and versions, and what counts as time."""
  versions = {name: _version(name) for name in ("jax", "flax", "torch")}
  return {
    "device": device_name(),
    "cores": settings.cores or os.cpu_count(),
    "clock": settings.clock_name,
    "rounds": settings.rounds,
    "load": round(os.getloadavg()[0], 2),
    **versions,
    "XLA_FLAGS": os.environ.get("XLA_FLAGS", ""),
  }


def device_name() -> str:
  """Of the GPU card, or of the CPU."""
  device = jax.local_devices()[0]
  if device.platform != "cpu":
    return device.device_kind
  info = pathlib.Path("/proc/cpuinfo")
  lines = info.read_text().splitlines() if info.exists() else []
  names = [line.split(":", 1)[1] for line in lines if "model name" in line]
  return names[0].strip() if names else "CPU"


def _version(package: str) -> str:
  try:
    return importlib.metadata.version(package)
  except importlib.metadata.PackageNotFoundError:
    return ""


def measure(settings: Settings, size: Extent) -> tuple[Limits, report.Section]:
  """The machine's limits, and the section that shows them."""
  repeats = 1 if settings.platform == "cpu" else _REPEATS_ON_GPU
  races, gemm = [], {}
  for dtype, rows in size.gemm.items():
    calls, absent = _gemm_calls(settings, dtype, rows, repeats)
    seconds = take_turns(calls, settings)
    flops = 2.0 * rows**3 * repeats
    gemm[dtype] = flops / min(map(min, seconds.values()))
    races.append(
      Race(
        f"GEMM {rows} {dtype}: {_in_giga(flops, seconds)} GFLOP/s",
        seconds,
        "XLA",
        absent,
        flops=flops,
        gemm=gemm[dtype],
      )
    )
  calls, absent = _copy_calls(settings, size.copied, repeats)
  seconds = take_turns(calls, settings)
  moved = 2.0 * size.copied * repeats
  bandwidth = moved / min(map(min, seconds.values()))
  races.append(
    Race(
      f"copy {size.copied >> 20} MiB: {_in_giga(moved, seconds)} GB/s",
      seconds,
      "XLA",
      absent,
      traffic=moved,
      bandwidth=bandwidth,
    )
  )
  about = (
    "The machine's own limits: a square matrix product, and a copy, whose"
    " bytes are read and written. Shares below are of the faster library's."
  )
  limits = Limits(gemm, bandwidth)
  return limits, report.of_races("machine", about, races)


def _in_giga(work: float, seconds: dict[str, list[float]]) -> str:
  rates = {name: work / min(times) / 1e9 for name, times in seconds.items()}
  return ", ".join(f"{name} {rate:,.1f}" for name, rate in rates.items())


def _gemm_calls(
  settings: Settings, dtype: str, rows: int, repeats: int
) -> tuple[dict, dict]:
  left = jnp.full((rows, rows), 0.5, dtype)
  product = jax.jit(jnp.matmul)

  def ours() -> None:
    # The last alone is held: a list of all would fill a small card.
    for _ in range(repeats):
      last = product(left, left)
    jax.block_until_ready(last)

  torch, why = peers.torch_peers(settings.platform)
  if torch is None:
    return {"XLA": ours}, {"torch": why}
  return {"XLA": ours, "torch": torch.gemm(settings, dtype, rows, repeats)}, {}


def _copy_calls(
  settings: Settings, size: int, repeats: int
) -> tuple[dict, dict]:
  array = jnp.zeros(size // 4, jnp.float32)
  copy = jax.jit(jnp.copy)

  def ours() -> None:
    for _ in range(repeats):
      last = copy(array)
    jax.block_until_ready(last)

  torch, why = peers.torch_peers(settings.platform)
  if torch is None:
    return {"XLA": ours}, {"torch": why}
  return {"XLA": ours, "torch": torch.copy(settings, size, repeats)}, {}
