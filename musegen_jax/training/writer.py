"""Where a run's figures go: metrics.jsonl and TensorBoard."""

import functools
import json
import pathlib
from typing import Any

import numpy as np

METRICS = "metrics.jsonl"


def read_metrics(workdir: pathlib.Path) -> list[dict]:
  """Rows of metrics.jsonl, oldest first; a torn last line is left out."""
  path = workdir / METRICS
  rows = []
  if path.exists():
    for line in path.read_text().splitlines():
      try:
        rows.append(json.loads(line))
      except ValueError:
        continue
  return rows


class Writer:
  """Writes rows of scalars and pictures; one per run, in one process."""

  def __init__(
    self, workdir: pathlib.Path, first_step: int, config: str
  ) -> None:
    """Opens the files, dropping rows after `first_step`, which a killed run
    wrote after its last checkpoint; TensorBoard shows `config` as text."""
    rows = [r for r in read_metrics(workdir) if r["step"] <= first_step]
    text = "".join(json.dumps(row) + "\n" for row in rows)
    temporary = workdir / f".{METRICS}.tmp"
    temporary.write_text(text)
    temporary.replace(workdir / METRICS)
    self._file = (workdir / METRICS).open("a")
    self._folder, self._first_step = workdir / "tensorboard", first_step
    self._config = config

  @functools.cached_property
  def _board(self) -> Any:
    # With the first row, not before the first step: where torch is installed
    # tensorboardX imports it, which takes a second.
    import tensorboardX

    board = tensorboardX.SummaryWriter(
      str(self._folder), purge_step=self._first_step + 1
    )
    board.add_text("config", self._config, 0)
    return board

  def scalars(self, step: int, values: dict[str, float]) -> None:
    """Adds one row at a step (completed updates)."""
    row = {"step": step} | {k: float(v) for k, v in values.items()}
    self._file.write(json.dumps(row) + "\n")
    self._file.flush()
    for name, value in values.items():
      self._board.add_scalar(name, value, step)

  def vector(self, step: int, name: str, values: np.ndarray) -> None:
    """Adds an array [N] at a step: a row of its own, and a histogram."""
    row = {"step": step, name: [float(value) for value in values]}
    self._file.write(json.dumps(row) + "\n")
    self._file.flush()
    self._board.add_histogram(name, values, step)

  def image(self, step: int, name: str, pixels: np.ndarray) -> None:
    """Adds a picture, uint8 [height, width, 3], to TensorBoard."""
    self._board.add_image(name, pixels, step, dataformats="HWC")

  def close(self) -> None:
    """Flushes and closes both."""
    self._file.close()
    if "_board" in vars(self):
      self._board.close()
