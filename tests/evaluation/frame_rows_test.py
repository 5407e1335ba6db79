"""Rows over seeds, ensembles, the self-test, what is in print."""

import pathlib

import numpy as np
import pytest

from musegen_jax.errors import UserError
from musegen_jax.evaluation import frame_published, frame_rows, frame_rules
from musegen_jax.evaluation.frame_published import ESTIMATORS, ROWS, SETS

LENGTHS = np.array([3, 4])
ONE = np.array([9.0, 1.0, 1.0, 9.0, 2.0, 2.0, 2.0])
TWO = ONE + 1


def test_mean_and_deviation_over_seeds() -> None:
  row = frame_rows.row("m", "model", [ONE, TWO], LENGTHS, parameters=7)
  assert row["figures"]["b"]["mean"] == pytest.approx(8 / 5 + 0.5)
  assert row["figures"]["b"]["sd"] == pytest.approx(np.sqrt(0.5))
  assert row["figures"]["b"]["seeds"] == pytest.approx([1.6, 2.6])
  low, high = row["interval"]
  assert low == pytest.approx(1.5) and high == pytest.approx(2.5)
  assert row["parameters"] == 7


def test_one_seed_has_no_deviation() -> None:
  row = frame_rows.row("m", "model", [ONE], LENGTHS)
  assert [row["figures"][rule]["sd"] for rule in frame_rules.RULES] == [
    None
  ] * 4


def test_ensemble_is_the_mean_of_probabilities() -> None:
  mixed = frame_rows.ensemble([ONE, TWO])
  np.testing.assert_allclose(np.exp(-mixed), (np.exp(-ONE) + np.exp(-TWO)) / 2)
  # By Jensen's inequality never worse than the mean of the seeds.
  assert (mixed <= (ONE + TWO) / 2).all()


def test_self_test_holds_published_files_to_print(
  shared_data: pathlib.Path,
) -> None:
  path = shared_data / "benchmark" / SETS["jsb"].file
  assert frame_rows.self_test(path, 11.0602).startswith("Self-test passed")
  with pytest.raises(UserError, match="reads 11.091 .* not 11.060"):
    frame_rows.self_test(path, 11.091)


def test_other_data_have_no_self_test(tmp_path: pathlib.Path) -> None:
  (tmp_path / "own.npz").write_bytes(b"other")
  for path in (tmp_path / "own.npz", tmp_path):
    assert frame_rows.self_test(path, 3.0).startswith("No self-test")


def test_rows_in_print_are_whole_and_marked() -> None:
  assert len({(row.model, row.source) for row in ROWS}) == len(ROWS)
  marks = {
    frame_published.READ,
    frame_published.RECALLED,
    frame_published.UNCERTAIN,
  }
  for row in ROWS:
    assert len(row.figures) == len(SETS) and any(row.figures)
    assert row.estimator in ESTIMATORS and row.mark in marks and row.source
    assert row.rule in {"", *frame_rules.RULES}
  rru = next(row for row in ROWS if row.model == "RRU")
  assert rru.figures == (7.72, 2.92, 7.03, 7.38) and rru.rule == "d"
