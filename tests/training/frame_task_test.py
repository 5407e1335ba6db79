"""Whole runs of a model of frames: resume, devices, refusals, fine-tuning."""

import copy
import pathlib

import jax
import numpy as np
import pytest

from musegen_jax import config as config_lib
from musegen_jax.errors import UserError
from musegen_jax.models import frames
from musegen_jax.training import (
  checkpoints,
  frame_task,
  loop,
  run,
  setup,
  writer,
)
from tests.conftest import ROOT, run_module


@pytest.fixture
def frames_config(tiny_config: config_lib.Config) -> config_lib.Config:
  """Six steps of both LSTMs on an octave."""
  config = copy.deepcopy(tiny_config)
  config.data.codec = "frames"
  config.model.kind = "frames"
  config.model.dropout = 0.2
  config.frames = config_lib.Frames(
    key_size=4,
    context_size=3,
    head_size=6,
    lowest_pitch=55,
    highest_pitch=66,
    articulation=True,
  )
  return config


def test_what_lies_outside_the_range_is_counted(
  frames_config: config_lib.Config,
) -> None:
  frames_config.data.steps_per_beat = 2
  frames_config.frames.lowest_pitch = 21
  frames_config.frames.highest_pitch = 108
  whole, _ = setup.prepare(frames_config, "").task.overview
  assert "left out" not in whole
  frames_config.frames.lowest_pitch = 107
  narrow, _ = setup.prepare(frames_config, "").task.overview
  assert "sounding cells outside frames.lowest_pitch..highest_pitch: " in narrow


def final(workdir: pathlib.Path, step: int = 6) -> dict:
  return checkpoints.load(workdir / "checkpoints" / str(step)).params


def losses(workdir: pathlib.Path) -> list[float]:
  rows = writer.read_metrics(workdir)
  return [row["train/loss"] for row in rows if "train/loss" in row]


@pytest.mark.parametrize(
  "left_out",
  ["", pytest.param("key_size", marks=pytest.mark.slow), "context_size"],
)
def test_killed_run_ends_like_an_uninterrupted_one(
  frames_config: config_lib.Config,
  tmp_path: pathlib.Path,
  monkeypatch: pytest.MonkeyPatch,
  left_out: str,
) -> None:
  if left_out:
    setattr(frames_config.frames, left_out, 0)
  run.train(frames_config, tmp_path / "straight", "")

  class Killed(Exception):
    pass

  summary = loop._summary

  def kill_at_five(pending: list) -> dict:
    if pending[-1][0].stop == 5:
      raise Killed
    return summary(pending)

  with monkeypatch.context() as patch:
    patch.setattr(loop, "_summary", kill_at_five)
    with pytest.raises(Killed):
      run.train(frames_config, tmp_path / "killed", "")
  run.train(frames_config, tmp_path / "killed", "")
  jax.tree.map(
    np.testing.assert_array_equal,
    final(tmp_path / "straight"),
    final(tmp_path / "killed"),
  )
  assert losses(tmp_path / "straight") == losses(tmp_path / "killed")
  valid = [
    row["valid/loss"]
    for row in writer.read_metrics(tmp_path / "killed")
    if "valid/loss" in row
  ]
  assert len(valid) == 2 and np.isfinite(valid).all()


@pytest.mark.slow
def test_devices_and_micro_batches_change_nothing(
  tiny_dataset: pathlib.Path, tmp_path: pathlib.Path
) -> None:
  arguments = [
    f"--config={ROOT / 'configs' / 'quickstart.py'}",
    f"--config.data.data_dir={tiny_dataset}",
    "--config.data.codec=frames",
    "--config.model.kind=frames",
    "--config.model.dropout=0.2",
    "--config.frames.key_size=4",
    "--config.frames.context_size=3",
    "--config.frames.head_size=6",
    "--config.frames.lowest_pitch=55",
    "--config.frames.highest_pitch=66",
    "--config.optimizer.warmup_steps=2",
    "--config.train.batch_size=8",
    "--config.train.window=16",
    "--config.train.steps=4",
    "--config.train.log_every=1",
  ]
  for devices, micro in ((1, 1), (4, 2)):
    run_module(
      "musegen_jax.train",
      *arguments,
      f"--config.train.accumulate={micro}",
      f"--workdir={tmp_path / str(devices)}",
      XLA_FLAGS=f"--xla_force_host_platform_device_count={devices}",
    )
  one, four = losses(tmp_path / "1"), losses(tmp_path / "4")
  assert len(one) == 4
  np.testing.assert_allclose(four, one, rtol=2e-5)
  ours, theirs = final(tmp_path / "1", 4), final(tmp_path / "4", 4)
  assert ours.keys() == theirs.keys()
  for name, leaf in ours.items():
    np.testing.assert_allclose(theirs[name], leaf, rtol=1e-3, atol=1e-4)


def test_batches_previews_and_overview(
  frames_config: config_lib.Config,
) -> None:
  ready = setup.prepare(frames_config, "")
  task = ready.task
  batch = task.batch_at(0)
  assert batch["targets"].shape == (4, 16, 88)
  assert batch["inputs"].shape[:3] == (4, 16, 12)
  assert task.count_notes(batch) == (batch["targets"] == 1).sum() > 0
  piece = task.preview(ready.params, 3)
  again = task.preview(ready.params, 3)
  np.testing.assert_array_equal(piece.notes, again.notes)
  # Frames of an eighth.
  assert 0 < piece.notes["start_tick"].max() < frame_task.PREVIEW * 240
  train, valid = task.overview
  assert train.startswith("train: 12 pieces, ")
  assert valid.startswith("valid: 6 pieces, 144 frames")


def test_dropout_is_addressed_by_row() -> None:
  model = frames.FrameModel(40, 5, "sigmoid", 4, 3, 6, 4, False)
  key = jax.random.key(3)
  whole = frame_task.dropout_masks(key, np.arange(6), 5, model, 0.4, 0.2)
  rows = np.array([2, 5])
  part = frame_task.dropout_masks(key, rows, 5, model, 0.4, 0.2)
  said = (5, 6, 4), (5, 6, 3), (2, 5, 6, 6)
  assert [a.shape for a in whole] == [(5, 6, frames.LOCAL), (5, 6, 5), *said]
  for number, (every, own) in enumerate(zip(whole, part, strict=True)):
    np.testing.assert_array_equal(own, every[..., rows, :])
    kept = 0.8 if number < 2 else 0.6
    factors = sorted(np.unique(every).tolist())
    np.testing.assert_allclose(factors, [0, 1 / kept], rtol=1e-6)
    assert np.mean(every == 0) == pytest.approx(1 - kept, abs=0.15)


def test_fine_tuning(
  frames_config: config_lib.Config, tmp_path: pathlib.Path
) -> None:
  run.train(frames_config, tmp_path / "first", "")
  frames_config.optimizer.frozen = "key_|local"
  run.train(frames_config, tmp_path / "second", str(tmp_path / "first"))
  start, end = final(tmp_path / "first"), final(tmp_path / "second")
  for name in start:
    same = np.array_equal(start[name], end[name])
    assert same == name.startswith(("key_", "local")), name
  frames_config.frames.head_size = 7
  with pytest.raises(UserError, match="--config.vae or --config.frames to"):
    run.train(frames_config, tmp_path / "third", str(tmp_path / "first"))


@pytest.mark.parametrize(
  ("section", "field", "value", "says"),
  [
    ("data", "codec", "performance", "needs data.codec frames"),
    ("data", "unit", "window", "needs data.unit piece"),
    ("train", "carry_state", False, "needs train.carry_state"),
    ("frames", "head", "softmax", "neither sigmoid, nade nor autoregressive"),
    ("frames", "key_size", -1, "must not be negative"),
    ("frames", "lowest_pitch", 20, "within 21..108"),
    ("frames", "highest_pitch", 55, "do not make a range"),
    ("data", "steps_per_beat", 25, "not in 0..24"),
  ],
)
def test_contradictions_are_named(
  frames_config: config_lib.Config,
  tmp_path: pathlib.Path,
  section: str,
  field: str,
  value: object,
  says: str,
) -> None:
  setattr(getattr(frames_config, section), field, value)
  with pytest.raises(UserError, match=says):
    run.train(frames_config, tmp_path, "")
