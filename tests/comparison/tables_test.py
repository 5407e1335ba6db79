"""Cells, means over seeds, and tables."""

import math

import numpy as np
import pytest

from musegen_jax.comparison import tables
from musegen_jax.comparison.tables import Column

COLUMNS = (Column("a", "A", "", "One."), Column("b", "B", "s", "Two."))


def test_cells_hold_no_nan() -> None:
  assert tables.cell(math.nan) is None
  assert tables.cell(None) is None
  assert tables.cell(1.23456789, (math.nan, 2)) == [1.23457, None, 2.0]


def test_seeds_count_alike_however_many_pieces_they_have() -> None:
  value, low, high = tables.mean_cell(
    [np.array([1.0, 3.0, math.nan]), np.array([5.0])]
  )
  assert value == 3.5
  assert 3.0 <= low < value < high <= 4.0


def test_no_values_no_cell() -> None:
  assert tables.mean_cell([np.full(3, math.nan)]) is None
  assert tables.mean_cell([np.zeros(0)]) is None


def test_one_seed_keeps_its_interval() -> None:
  assert tables.set_cell([0.5], [(0.4, 0.9)]) == [0.5, 0.4, 0.9]


def test_independent_seeds_narrow_the_interval() -> None:
  cell = tables.set_cell([1.0, 3.0], [(0.0, 1.0), (2.0, 4.0)])
  assert cell == pytest.approx([2, 2 - math.sqrt(2) / 2, 2.5], abs=1e-4)


def test_intervals_stay_within_what_is_possible() -> None:
  assert tables.set_cell([0.9], [(0.7, 1.2)], 0, 1) == [0.9, 0.7, 1]


def test_columns_without_figures_are_left_out() -> None:
  rows = {"x": {"a": [1.0, None, None]}, "y": {"a": None}}
  table = tables.make("id", "Title", "Caption", COLUMNS, rows)
  assert [column["key"] for column in table["columns"]] == ["a"]
  assert [row["cells"] for row in table["rows"]] == [
    {"a": [1.0, None, None]},
    {"a": None},
  ]
