"""How speed is measured: on fixed cores, in turn, by minimum and median."""

import contextlib
import dataclasses
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator

from musegen_jax.errors import UserError

Call = Callable[[], object]


@dataclasses.dataclass(frozen=True)
class Settings:
  """How to measure.

  Attributes:
    rounds: measurements of each competitor.
    cores: of the CPU that this process may use; 0 where a GPU does the work.
    platform: JAX's, "cpu" or "gpu".
    allowed: the cores this process had before it was pinned, if it was.
  """

  rounds: int
  cores: int
  platform: str
  allowed: tuple[int, ...] = ()

  @property
  def clock_name(self) -> str:
    """What counts as time."""
    return "CPU time" if self.cores == 1 else "wall time"

  def clock(self) -> float:
    """Seconds. On one core the process's own, which others on the machine
    disturb least; several cores and a GPU leave only those on the wall."""
    return time.process_time() if self.cores == 1 else time.perf_counter()

  @contextlib.contextmanager
  def every_core(self) -> Iterator[None]:
    """Lets processes that are started inside use all cores again."""
    if not self.allowed:
      yield
      return
    mine = os.sched_getaffinity(0)
    os.sched_setaffinity(0, self.allowed)
    try:
      yield
    finally:
      os.sched_setaffinity(0, mine)


def start(rounds: int, cores: int, core: int | None) -> Settings:
  """Settings for this machine; on a CPU, pins this process.

  To be called before anything asks JAX for its devices: its thread pools are
  made for the cores they find.

  Args:
    rounds: measurements of each.
    cores: how many to use on a CPU.
    core: the first of them, by default the first this process may run on.

  Raises:
    UserError: where the machine has no such cores.
  """
  # torch needs memory of the same card, and so do the processes we start.
  os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")
  platform = _platform()
  if platform != "cpu":
    return Settings(rounds, 0, platform)
  if not hasattr(os, "sched_setaffinity"):
    return Settings(rounds, cores, platform)
  allowed = sorted(os.sched_getaffinity(0))
  first = allowed[0] if core is None else core
  chosen = [number for number in allowed if number >= first][:cores]
  if first not in allowed or len(chosen) < cores:
    raise UserError(
      f"--cores={cores} --core={first}: this process may run on cores"
      f" {', '.join(map(str, allowed))}; ask for fewer, or leave out --core"
    )
  os.sched_setaffinity(0, chosen)
  return Settings(rounds, cores, platform, tuple(allowed))


def _platform() -> str:
  # In a process of its own: to ask here would start the thread pools.
  code = "import jax; print(jax.default_backend())"
  done = subprocess.run(
    [sys.executable, "-c", code], capture_output=True, text=True
  )
  if done.returncode:
    raise UserError(
      f"JAX finds no device: {done.stderr.strip().splitlines()[-1]}"
    )
  return done.stdout.split()[-1]


def take_turns(
  calls: dict[str, Call], settings: Settings
) -> dict[str, list[float]]:
  """Seconds of each call in each round.

  Each call waits until its work is done. In a round each has its turn, so that
  what else the machine does meets all of them; two unmeasured turns go ahead.
  """
  for call in calls.values():
    _warm_up(call)
  return _in_turn(calls, settings)


def attempt(
  calls: dict[str, Call], settings: Settings
) -> tuple[dict[str, list[float]], dict[str, str]]:
  """`take_turns` of the calls that run, and why others do not: a card may have
  too little memory for a peer, or its library no kernel."""
  able, absent = {}, {}
  for name, call in calls.items():
    try:
      _warm_up(call)
    except RuntimeError as error:
      absent[name] = reason(error)
    else:
      able[name] = call
  return _in_turn(able, settings), absent


def reason(error: Exception) -> str:
  """What an exception says, in one short line."""
  lines = str(error).strip().splitlines() or [type(error).__name__]
  return lines[0][:160]


def _warm_up(call: Call) -> None:
  call()
  call()


def _in_turn(
  calls: dict[str, Call], settings: Settings
) -> dict[str, list[float]]:
  seconds: dict[str, list[float]] = {name: [] for name in calls}
  for _ in range(settings.rounds):
    for name, call in calls.items():
      start = settings.clock()
      call()
      seconds[name].append(settings.clock() - start)
  return seconds


@dataclasses.dataclass(frozen=True)
class Ratios:
  """A competitor's time over ours; above 1, ours is faster.

  Attributes:
    by_minimum: of the two minima.
    by_median: of the two medians.
    by_round: median of the ratios within each round.
  """

  by_minimum: float
  by_median: float
  by_round: float


@dataclasses.dataclass(frozen=True)
class Race:
  """Competitors that did the same work in turn.

  Attributes:
    name: of the work.
    seconds: by competitor, one a round.
    ours: the competitor that the others are compared with; it may be absent.
    absent: why a competitor was not measured.
    tokens: that each turn makes or learns from, where a rate is to be shown.
    flops: of the products, where their rate is to be shown.
    gemm: FLOP/s of this machine's own product, which is its limit.
    traffic: bytes that must be read, where their rate is to be shown.
    bandwidth: bytes/s of this machine.
    compile_seconds: by competitor.
  """

  name: str
  seconds: dict[str, list[float]]
  ours: str
  absent: dict[str, str] = dataclasses.field(default_factory=dict)
  tokens: int = 0
  flops: float = 0.0
  gemm: float = 0.0
  traffic: float = 0.0
  bandwidth: float = 0.0
  compile_seconds: dict[str, float] = dataclasses.field(default_factory=dict)

  def ratios(self, peer: str) -> Ratios | None:
    """Of a competitor that was measured; None where ours was not."""
    if self.ours not in self.seconds:
      return None
    theirs, ours = self.seconds[peer], self.seconds[self.ours]
    by_round = [a / b for a, b in zip(theirs, ours, strict=True)]
    return Ratios(
      min(theirs) / min(ours),
      statistics.median(theirs) / statistics.median(ours),
      statistics.median(by_round),
    )

  def gemm_share(self, name: str) -> float | None:
    """Rate of the products over the machine's, by minimum."""
    if not (self.flops and self.gemm):
      return None
    return self.flops / min(self.seconds[name]) / self.gemm

  def bandwidth_share(self, name: str) -> float | None:
    """Rate of the bytes over the machine's, by minimum."""
    if not (self.traffic and self.bandwidth):
      return None
    return self.traffic / min(self.seconds[name]) / self.bandwidth
