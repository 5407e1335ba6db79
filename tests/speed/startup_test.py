"""The wait for a first row of metrics."""

import os
import pathlib
import sys

import pytest

from musegen_jax.errors import UserError
from musegen_jax.speed import startup, timing

SETTINGS = timing.Settings(rounds=1, cores=1, platform="cpu")
# A trainer: a row after a while, then steps until it is told to stop.
TRAINER = """
import pathlib, signal, sys, time
folder = pathlib.Path(sys.argv[1])
def stop(*_):
  (folder / "stopped").touch()
  sys.exit()
signal.signal(signal.SIGTERM, stop)
folder.mkdir()
(folder / "metrics.jsonl").touch()
time.sleep(0.3)
(folder / "metrics.jsonl").write_text("{}")
time.sleep(60)
"""
OVERRIDES = [
  "--config.model.embedding_size=6",
  "--config.model.hidden_size=8",
  "--config.train.batch_size=4",
  "--config.train.window=16",
]


def test_the_clock_stops_at_the_first_row(tmp_path: pathlib.Path) -> None:
  workdir = tmp_path / "run"
  command = [sys.executable, "-c", TRAINER, str(workdir)]
  seconds = startup.first_row_seconds(command, workdir, dict(os.environ))
  assert 0.3 < seconds < 30
  assert (workdir / "stopped").exists()


def test_a_trainer_that_fails_is_shown(tmp_path: pathlib.Path) -> None:
  command = [sys.executable, "-c", "raise SystemExit('no music')"]
  with pytest.raises(UserError, match="made no step: no music"):
    startup.first_row_seconds(command, tmp_path / "run", dict(os.environ))


@pytest.mark.slow
def test_the_real_trainer_starts_faster_when_warm(
  tiny_dataset: pathlib.Path,
) -> None:
  section = startup.run(SETTINGS, tiny_dataset, 1, OVERRIDES)
  seconds = {row["name"]: row["min_seconds"] for row in section.figures}
  assert 0 < seconds["import"] < seconds["warm"] < seconds["cold"]
