"""What a run's metrics say of its training."""

import json
import pathlib
import shutil

from musegen_jax.comparison import curves, systems
from musegen_jax.comparison.systems import Model, Named
from tests.comparison.conftest import Runs


def load(path: pathlib.Path) -> Model:
  return systems.load([Named("a", path)], 8.0)[0]


def test_totals_and_points(runs: Runs) -> None:
  model = load(runs.lstm)
  found = curves.training(model.runs[0])
  assert found.steps == 4 and found.notes > 0 and found.seconds > 0
  [own] = curves.make([model])["runs"]
  assert [point["step"] for point in own["points"]] == [2, 4]
  last = own["points"][-1]
  assert last["valid"] > 0 and last["train"] > 0 and last["epoch"] > 0
  assert last["notes"] == found.notes


def test_nothing_after_the_checkpoint_counts(
  runs: Runs, tmp_path: pathlib.Path
) -> None:
  copied = tmp_path / "run"
  shutil.copytree(runs.lstm, copied)
  with (copied / "metrics.jsonl").open("a") as file:
    file.write(json.dumps({"step": 9, "train/loss": 1.0}) + "\n{torn")
  assert curves.points(load(copied).runs[0])[-1]["step"] == 4


def test_long_logs_are_thinned_but_keep_every_validation(
  runs: Runs, tmp_path: pathlib.Path
) -> None:
  copied = tmp_path / "run"
  shutil.copytree(runs.lstm, copied)
  rows = [
    {"step": 4, "train/loss": 1.0, "train/notes_per_second": 1.0},
    {"step": 4, "valid/loss": 2.0},
  ]
  early = [{"step": -n, "train/loss": 1.0} for n in range(1000, 0, -1)]
  early[500]["valid/loss"] = 3.0
  text = "".join(json.dumps(row) + "\n" for row in early + rows)
  (copied / "metrics.jsonl").write_text(text)
  points = curves.points(load(copied).runs[0])
  assert len(points) < 250
  assert [p["valid"] for p in points if p["valid"]] == [3.0, 2.0]


def test_a_lone_checkpoint_says_its_step(
  runs: Runs, tmp_path: pathlib.Path
) -> None:
  alone = tmp_path / "4"
  shutil.copytree(runs.lstm / "checkpoints" / "4", alone)
  model = load(alone)
  found = curves.training(model.runs[0])
  assert found.steps == 4 and found.seconds is None
  assert curves.make([model])["runs"] == []
