"""The table as text and picture."""

import copy
import pathlib

import numpy as np
from matplotlib.image import imread

from musegen_jax.evaluation import frame_rows, frame_rules, frame_table
from musegen_jax.evaluation.frame_published import BOUND, EXACT, OTHER

LENGTHS = np.array([3, 4])
NLL = np.array([9.0, 1.0, 1.0, 9.0, 2.0, 2.0, 2.0])


def published(model: str, estimator: str, **figures: float) -> dict:
  return {
    "model": model,
    "figures": figures,
    "estimator": estimator,
    "rule": "d",
    "source": "Someone 1999",
    "note": "by hand",
    "mark": "as published, read",
  }


def data_set(name: str, *rows: dict) -> dict:
  return {
    "name": name,
    "source": f"{name}.npz",
    "splits": {"test": {"pieces": 2, "frames": 1007}},
    "duplicates": [("train 1", "test 0")],
    "scored": "silent or sounding",
    "self_test": "Self-test passed",
    "rows": list(rows),
  }


COUNTS = frame_rows.row(
  "note 1-gram", "baseline", [NLL + 3], LENGTHS, valid=[4.5], note=""
)
OURS = frame_rows.row(
  "study",
  "model",
  [NLL, NLL + 1],
  LENGTHS,
  valid=[1.0, 2.0],
  steps=[30, 40],
  parameters=1234,
  seconds=77.0,
  note="2 seeds; cpu, 2 cores",
)
RESULT = {
  "rules": frame_rules.RULES,
  "machine": {
    "platform": "cpu",
    "device": "cpu",
    "devices": 1,
    "cpu_cores": 2,
    "jax": "0.1",
  },
  "sets": [data_set("jsb", COUNTS, OURS), data_set("mine", COUNTS)],
  "published": [
    published("cell", EXACT, jsb=7.72),
    published("variational", BOUND, jsb=6.8),
    published("particles", OTHER, jsb=3.99),
  ],
}


def section(text: str, heading: str) -> str:
  return next(part for part in text.split("\n## ") if part.startswith(heading))


def test_estimators_have_tables_of_their_own() -> None:
  text = frame_table.markdown(RESULT)
  names = {EXACT: "cell", BOUND: "variational", OTHER: "particles"}
  for estimator in names:
    part = section(text, f"In print: {estimator}")
    for other, model in names.items():
      assert (f"| {model} |" in part) == (other == estimator)
    assert "- Someone 1999: by hand." in part and "as published" in part


def test_main_table_has_a_row_a_model_and_a_column_a_set() -> None:
  part = section(frame_table.markdown(RESULT), "Measured here")
  assert "| model | JSB | mine |" in part
  assert "| note 1-gram | 4.600 | 4.600 |" in part
  assert "| study | 2.100 ± 0.707 |  |" in part


def test_details_of_a_set() -> None:
  part = section(frame_table.markdown(RESULT), "JSB, jsb.npz")
  assert "test 2 pieces, 1,007 frames" in part
  assert "train 1 = test 0" in part and "Self-test passed." in part
  row = next(line for line in part.splitlines() if "| study |" in line)
  cells = [cell.strip() for cell in row.strip("|").split("|")]
  assert cells[1:3] == ["2.100 ± 0.707", "[1.500, 2.500]"]
  assert cells[3].startswith("4.214") and cells[4].startswith("2.000")
  assert cells[6:] == ["1.50", "30 40", "1,234", "77", "2 seeds; cpu, 2 cores"]


def test_sets_of_ones_own_have_nothing_in_print() -> None:
  result = copy.deepcopy(RESULT) | {"published": []}
  assert "In print" not in frame_table.markdown(result)


def test_chart_shows_exact_figures_alone(tmp_path: pathlib.Path) -> None:
  """Bounds and estimates would look better than they are."""
  paths = [tmp_path / name for name in ("all.png", "exact.png", "none.png")]
  exact = RESULT | {"published": RESULT["published"][:1]}
  for path, result in zip(
    paths, (RESULT, exact, RESULT | {"published": []}), strict=True
  ):
    frame_table.chart(result, path)
  whole, exact_bytes, none = (path.read_bytes() for path in paths)
  assert whole == exact_bytes != none
  assert imread(paths[0]).ndim == 3
