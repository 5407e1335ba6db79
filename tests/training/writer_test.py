"""metrics.jsonl after a kill, and what TensorBoard reads back."""

import pathlib

import numpy as np

from musegen_jax.training import writer as writer_lib


def test_rows_after_the_checkpoint_are_dropped(tmp_path: pathlib.Path) -> None:
  first = writer_lib.Writer(tmp_path, 0, "{}")
  for step in (1, 2, 3):
    first.scalars(step, {"train/loss": step / 2})
  first.close()
  with (tmp_path / writer_lib.METRICS).open("a") as file:
    file.write('{"step": 4, "tr')  # killed while writing
  second = writer_lib.Writer(tmp_path, 2, "{}")
  second.scalars(3, {"train/loss": 9.0})
  second.image(3, "sample", np.zeros((4, 5, 3), np.uint8))
  second.close()
  rows = writer_lib.read_metrics(tmp_path)
  assert [(row["step"], row["train/loss"]) for row in rows] == [
    (1, 0.5),
    (2, 1.0),
    (3, 9.0),
  ]
  events = list((tmp_path / "tensorboard").iterdir())
  assert events and all(path.stat().st_size for path in events)


def test_no_metrics_yet(tmp_path: pathlib.Path) -> None:
  assert writer_lib.read_metrics(tmp_path) == []
