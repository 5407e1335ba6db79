"""Tables of a report, as JSON: a row a system, a cell a figure.

A cell is [value, low, high] with a 95 % interval, low and high None where there
is none, or None where the figure is undefined. Letters: S seeds, N pieces.
"""

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from musegen_jax.evaluation import bootstrap

# Significant digits that are kept: more would pretend, and would make the file
# depend on the order of sums.
DIGITS = 6

Cell = list[float | None] | None


class Column(NamedTuple):
  """One figure.

  Attributes:
    key: of its cells.
    title: for people.
    unit: "" for pure numbers.
    definition: one sentence.
    better: "higher", "lower", "real" (nearer to real music), "half" (nearer to
      0.5), or "" where no direction is better.
  """

  key: str
  title: str
  unit: str
  definition: str
  better: str = ""


def rounded(value: float | None) -> float | None:
  """The value with DIGITS significant digits, whole numbers as they are; None
  for what is not finite."""
  if value is None or not math.isfinite(value):
    return None
  value = float(value)
  return value if value.is_integer() else float(f"{value:.{DIGITS}g}")


def cell(
  value: float | None, interval: tuple[float, float] | None = None
) -> Cell:
  """A cell; None where the value is undefined."""
  value = rounded(value)
  if value is None:
    return None
  low, high = interval or (None, None)
  return [value, rounded(low), rounded(high)]


def mean_cell(seeds: Sequence[np.ndarray]) -> Cell:
  """The mean over pieces and seeds, S arrays [N], nan left out."""
  rows = [values for values in seeds if np.isfinite(values).any()]
  if not rows:
    return None
  width = max(len(values) for values in rows)
  padded = np.full((len(rows), width), np.nan)
  for number, values in enumerate(rows):
    padded[number, : len(values)] = values
  value = float(np.nanmean(padded, axis=1).mean())
  return cell(value, bootstrap.mean_interval(padded))


def set_cell(
  values: Sequence[float],
  intervals: Sequence[tuple[float, float]],
  low: float = -math.inf,
  high: float = math.inf,
) -> Cell:
  """The mean of a figure of whole sets, one a seed.

  Seeds are independent, so the sides of its interval are the root of the sum of
  squares of theirs, over S. It is kept within low..high: an interval centred on
  a figure may lead out of what is possible.
  """
  if not values:
    return None
  value = np.asarray(values, np.float64)
  sides = np.asarray(intervals, np.float64).T - value[None]
  below, above = np.sqrt((sides**2).sum(1)) / len(value)
  mean = float(value.mean())
  return cell(mean, (max(mean - below, low), min(mean + above, high)))


def statistic_cell(
  seeds: Sequence[Sequence],
  statistic: Callable[[list], float],
  *,
  resamples: int,
  low: float = -math.inf,
  high: float = math.inf,
) -> Cell:
  """A figure of each seed's items, such as pieces, drawn again for the
  intervals; see `set_cell`."""
  values, intervals = [], []
  for items in seeds:

    def of_chosen(chosen: np.ndarray, items: Sequence = items) -> float:
      return statistic([items[number] for number in chosen])

    values.append(statistic(list(items)))
    intervals.append(
      bootstrap.statistic_interval(
        of_chosen, (len(items),), values[-1], seed=0, resamples=resamples
      )
    )
  return set_cell(values, intervals, low, high)


def make(
  key: str,
  title: str,
  caption: str,
  columns: Sequence[Column],
  rows: dict[str, dict[str, Cell]],
  primary: bool = False,
) -> dict:
  """The table; columns in which no system has a figure are left out."""
  shown = [
    column._asdict()
    for column in columns
    if any(cells.get(column.key) for cells in rows.values())
  ]
  return {
    "id": key,
    "title": title,
    "caption": caption,
    "primary": primary,
    "columns": shown,
    "rows": [
      {
        "system": name,
        "cells": {c["key"]: cells.get(c["key"]) for c in shown},
      }
      for name, cells in rows.items()
    ],
  }
