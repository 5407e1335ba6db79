"""The report as Markdown, with names that would break it."""

import pytest

from musegen_jax.comparison import report_text

EVIL = "a | b\n# c <img src=x> [click](javascript:x) `d`"
SPEED = {"columns": ["system", "notes/s"], "rows": [[EVIL, "12"]]}


def report() -> dict:
  column = {"key": "k", "title": "Pitches", "unit": "pitches"}
  table = {
    "id": "t",
    "title": "Table",
    "caption": EVIL,
    "columns": [column, {"key": "l", "title": "Long", "unit": "s"}],
    "rows": [{"system": EVIL, "cells": {"k": [1234.5, 1, 2], "l": None}}],
  }
  test = {
    "measure": "m",
    "first": EVIL,
    "second": "b",
    "difference": [0.5, 0.25, 0.75],
    "p": 0.001,
    "p_holm": 0.002,
    "paired": True,
  }
  return {
    "title": EVIL,
    "warnings": [EVIL],
    "summary": ["Area 0.5 [0.4, 0.6]."],
    "tables": [table],
    "comparisons": [test],
    "notes": [EVIL],
  }


def test_names_break_nothing() -> None:
  text = report_text.text(report(), SPEED)
  assert "<img" not in text.replace("\\<img", "")
  assert "](javascript" not in text
  rows = [line for line in text.splitlines() if line.startswith("| a ")]
  assert len(rows) == 2
  for row in rows:
    assert row.replace("\\|", "").count("|") in (3, 4)
  assert "- Area 0.5 [0.4, 0.6]." in text


def test_units_stand_once() -> None:
  assert "| system | Pitches | Long, s |" in report_text.text(report(), SPEED)


@pytest.mark.parametrize(
  ("cell", "said"),
  [
    (None, "–"),
    ([0.123456, None, None], "0.123"),
    ([0.5, 0.25, 0.75], "0.5 [0.25, 0.75]"),
    ([1234.5, 1000, 2000], "1,234 [1,000, 2,000]"),
  ],
)
def test_numbers(cell: list | None, said: str) -> None:
  assert report_text.number(cell) == said
