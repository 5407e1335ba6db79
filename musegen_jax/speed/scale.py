"""--what=scale: where the cost of a training step stops being linear, and why.

Letters: T steps, B batch, H LSTM units.
"""

import dataclasses
import statistics
from collections.abc import Sequence

from musegen_jax.data.codecs import codec as codec_lib
from musegen_jax.speed import child, report, scale_plot, train
from musegen_jax.speed.machine import Limits
from musegen_jax.speed.scale_plot import Curve
from musegen_jax.speed.sizes import Sizes
from musegen_jax.speed.timing import Settings, attempt

# Within this factor of the best cost an axis counts as linear.
TOLERANCE = 1.25


@dataclasses.dataclass(frozen=True)
class Axis:
  """What is varied while the rest stays.

  Attributes:
    name: as the table and the picture say it.
    by_flop: cost is that of a token and a parameter, as more units are more
      work for each token; else that of a token.
    chosen: sizes by value.
    devices: the values are numbers of faked devices, not of sizes.
  """

  name: str
  by_flop: bool
  chosen: dict[int, Sizes]
  devices: bool = False


@dataclasses.dataclass(frozen=True)
class Point:
  """One measured size.

  Attributes:
    value: on the axis.
    fastest: seconds of a step.
    middle: the median.
    cost: nanoseconds a token, or a token and a million parameters.
    gemm: share of the machine's rate of products.
    bandwidth: share of its bandwidth, were all weights read from memory
      forward and backward at each of the T steps.
  """

  value: int
  fastest: float
  middle: float
  cost: float
  gemm: float
  bandwidth: float


def axes(platform: str) -> list[Axis]:
  """From sizes where nothing is busy to those where everything is."""
  gpu = platform != "cpu"
  dtype = "bfloat16" if gpu else "float32"
  base = Sizes(2, 256, 512 if gpu else 256, 64 if gpu else 32, 64, dtype)
  batches = (1, 4, 16, 64, 256, 1024) if gpu else (1, 2, 4, 8, 16, 32, 64, 128)
  hidden_sizes = tuple((128 if gpu else 64) << n for n in range(5))
  steps = (16, 32, 64, 128, 256, 512)

  def vary(field: str, values: Sequence[int]) -> dict[int, Sizes]:
    return {v: dataclasses.replace(base, **{field: v}) for v in values}

  found = [
    Axis("batch", False, vary("batch", batches)),
    Axis("hidden size", True, vary("hidden_size", hidden_sizes)),
    Axis("sequence length", False, vary("steps", steps)),
  ]
  if not gpu:
    each = {count: base for count in (1, 2, 4, 8)}
    found.append(Axis("faked devices", False, each, devices=True))
  return found


def tiny(base: Sizes) -> list[Axis]:
  """Two small batches, and two faked devices."""
  batches = {v: dataclasses.replace(base, batch=v) for v in (2, 4)}
  return [
    Axis("batch", False, batches),
    Axis("faked devices", False, {2: base}, devices=True),
  ]


def _point(
  axis: Axis, value: int, sizes: Sizes, seconds: list[float], limits: Limits
) -> Point:
  vocab_size = codec_lib.load(train.LANGUAGE_CODEC).vocab_size
  fastest = min(seconds)
  flops = sizes.language_flops(vocab_size)
  # 6 FLOPs for each parameter and token.
  millions = flops / 6 / sizes.tokens / 1e6 if axis.by_flop else 1.0
  read = 2 * 4 * sizes.weights * sizes.steps
  return Point(
    value=value,
    fastest=fastest,
    middle=statistics.median(seconds),
    cost=fastest * 1e9 / sizes.tokens / millions,
    gemm=flops / fastest / limits.gemm[sizes.dtype],
    bandwidth=read / fastest / limits.bandwidth,
  )


def measure(
  axis: Axis, settings: Settings, limits: Limits
) -> tuple[list[Point], dict[int, str]]:
  """The points of an axis, and why others are absent."""
  points, absent = [], {}
  for value, sizes in axis.chosen.items():
    if axis.devices:
      flag = f"--xla_force_host_platform_device_count={value}"
      seconds, why = child.seconds(sizes, settings, flag)
    else:
      found, failed = attempt({"": train.language_step(sizes)}, settings)
      seconds, why = found.get("", []), failed.get("", "")
    if why:
      absent[value] = why
    else:
      points.append(_point(axis, value, sizes, seconds, limits))
  return points, absent


def explain(axis: Axis, points: list[Point]) -> str:
  """Where an axis is linear, and what the figures say of where it is not."""
  best = min(points, key=lambda point: point.cost)
  dear = [p for p in points if p.cost > TOLERANCE * best.cost]
  unit = _unit(axis)
  start = (
    f"{axis.name.capitalize()}: cheapest at {best.value}, {best.cost:.3g}"
    f" {unit}, {best.gemm:.0%} of the GEMM rate"
  )
  if not dear:
    return f"{start}; linear over the whole range, within a quarter of that."
  worst = max(dear, key=lambda point: point.cost)
  linear = [p.value for p in points if p not in dear]
  return (
    f"{start}; linear within a quarter of that at"
    f" {', '.join(map(str, linear))}. At {worst.value} the cost is"
    f" {worst.cost / best.cost:.1f} times as high, at {worst.gemm:.0%} of the"
    f" GEMM rate: {_cause(axis, worst)}."
  )


def _cause(axis: Axis, worst: Point) -> str:
  if axis.devices:
    return (
      "faked devices share the same cores, so each has smaller products, and"
      " each updates all parameters"
    )
  reading = f"reading the weights at each step takes {worst.bandwidth:.0%}"
  if worst.bandwidth > max(worst.gemm, 0.5):
    return f"{reading} of the bandwidth, and that is the limit"
  return (
    f"{reading} of the bandwidth, so neither is the limit, but the fixed cost"
    " of each operation, of the optimiser and of small products"
  )


def _unit(axis: Axis) -> str:
  return "ns a token and million parameters" if axis.by_flop else "ns a token"


def run(
  settings: Settings, limits: Limits, chosen: list[Axis]
) -> report.Section:
  """The section of all axes, with its picture."""
  lines, figures, notes, curves = [], [], [], []
  for axis in chosen:
    points, absent = measure(axis, settings, limits)
    for point in points:
      figures.append({"name": axis.name, **dataclasses.asdict(point)})
      lines.append(
        (
          f"{axis.name} {point.value}",
          f"{point.fastest * 1e3:.3g} / {point.middle * 1e3:.3g}",
          f"{point.cost:.4g} {_unit(axis)}",
          report.percent(point.gemm),
          report.percent(point.bandwidth),
        )
      )
    for value, why in absent.items():
      figures.append({"name": axis.name, "value": value, "not_measured": why})
      blank = f"not measured: {why}", "", "", ""
      lines.append((f"{axis.name} {value}", *blank))
    if points:
      notes.append(explain(axis, points))
      values, costs = zip(*((p.value, p.cost) for p in points), strict=True)
      shares = tuple(point.gemm for point in points)
      curves.append(Curve(axis.name, _unit(axis), values, costs, shares))
  return report.Section(
    name="scale",
    about=(
      "The language model's training step, one size varied at a time; faked"
      " devices share one batch. Where cost stays level, time is linear."
    ),
    titles=("size", "ms, min / median", "cost", "of GEMM", "weights read"),
    lines=lines,
    figures=figures,
    notes=tuple(notes),
    pictures={"scale.png": scale_plot.picture(curves)} if curves else {},
  )
