"""The picture of --what=scale, as panels of `plots`."""

import dataclasses
import functools
from typing import Any

from musegen_jax import plots

_INCHES = (4.2, 3.0)
_COST, _SHARE = "#1781c7", "#e08a00"


@dataclasses.dataclass(frozen=True)
class Curve:
  """How cost and efficiency go along one axis, N points.

  Attributes:
    name: of the axis.
    unit: of the cost.
    values: N, on the axis, each above 0.
    costs: N.
    shares: N, of the machine's rate of products.
  """

  name: str
  unit: str
  values: tuple[int, ...]
  costs: tuple[float, ...]
  shares: tuple[float, ...]


def picture(curves: list[Curve]) -> bytes:
  """A PNG of at least one curve: cost on the left, level where time is linear,
  and the share of the GEMM rate on the right."""
  panels = [
    plots.Panel(curve.name, _INCHES, functools.partial(_paint, curve))
    for curve in curves
  ]
  return plots.sheet(panels, 2, "png")


def _paint(curve: Curve, axes: Any) -> None:
  axes.plot(curve.values, curve.costs, marker="o", color=_COST)
  axes.set_xscale("log", base=2)
  axes.set_xticks(curve.values, [f"{value:g}" for value in curve.values])
  axes.set_xlabel(curve.name)
  axes.set_ylabel(curve.unit, color=_COST)
  axes.set_ylim(bottom=0)
  right = axes.twinx()
  right.plot(
    curve.values,
    [100 * share for share in curve.shares],
    marker=".",
    linestyle="--",
    color=_SHARE,
  )
  right.set_ylim(bottom=0)
  right.spines["right"].set_visible(True)
  right.set_ylabel("% of the GEMM rate", color=_SHARE)
