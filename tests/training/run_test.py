"""Whole runs: exact resume, refusals, signals, devices and processes."""

import copy
import itertools
import json
import os
import pathlib
import signal
import socket
import subprocess
import sys
import time
import types

import jax
import numpy as np
import pytest

from musegen_jax import config as config_lib
from musegen_jax.errors import UserError
from musegen_jax.evaluation import likelihood
from musegen_jax.training import checkpoints, loop, pace, run, writer
from tests.conftest import ROOT, run_module

TINY = [
  "--config.model.embedding_size=6",
  "--config.model.hidden_size=8",
  "--config.optimizer.warmup_steps=2",
  "--config.train.batch_size=4",
  "--config.train.window=16",
  "--config.train.log_every=1",
]
# Two calls of two steps.
IN_PAIRS = [
  "--config.train.steps=4",
  "--config.train.log_every=2",
  "--config.train.steps_per_call=2",
]


def flags(dataset: pathlib.Path, workdir: pathlib.Path) -> list[str]:
  return [
    f"--config={ROOT / 'configs' / 'quickstart.py'}",
    f"--workdir={workdir}",
    f"--config.data.data_dir={dataset}",
    *TINY,
  ]


def final(workdir: pathlib.Path, step: int) -> dict:
  return checkpoints.load(workdir / "checkpoints" / str(step)).params


def assert_same(a: dict, b: dict) -> None:
  for path, leaf in jax.tree_util.tree_leaves_with_path(a):
    other = b
    for key in path:
      other = other[key.key]
    np.testing.assert_array_equal(leaf, other, err_msg=str(path))


def losses(workdir: pathlib.Path) -> list[float]:
  rows = writer.read_metrics(workdir)
  return [row["train/loss"] for row in rows if "train/loss" in row]


def test_killed_run_ends_like_an_uninterrupted_one(
  tiny_config: config_lib.Config,
  tmp_path: pathlib.Path,
  monkeypatch: pytest.MonkeyPatch,
) -> None:
  run.train(tiny_config, tmp_path / "straight", "")

  class Killed(Exception):
    pass

  def kill_at_five(pending: list) -> dict:
    if pending[-1][0].stop == 5:
      raise Killed
    return summary(pending)

  summary = loop._summary
  with monkeypatch.context() as patch:
    patch.setattr(loop, "_summary", kill_at_five)
    with pytest.raises(Killed):
      run.train(tiny_config, tmp_path / "killed", "")
  run.train(tiny_config, tmp_path / "killed", "")

  assert_same(final(tmp_path / "straight", 6), final(tmp_path / "killed", 6))
  assert losses(tmp_path / "straight") == losses(tmp_path / "killed")
  steps = [row["step"] for row in writer.read_metrics(tmp_path / "killed")]
  assert steps == sorted(steps)


def test_kill_minus_nine_in_a_real_process(
  tiny_dataset: pathlib.Path, tmp_path: pathlib.Path
) -> None:
  more = ["--config.train.steps=60", "--config.train.checkpoint_every=5"]
  command = [sys.executable, "-m", "musegen_jax.train"]
  arguments = [*flags(tiny_dataset, tmp_path / "killed"), *more]
  process = subprocess.Popen(
    [*command, *arguments], cwd=ROOT, stderr=subprocess.DEVNULL
  )
  deadline = time.monotonic() + 120
  while len(losses(tmp_path / "killed")) < 12:
    assert time.monotonic() < deadline
    time.sleep(0.01)
  process.kill()
  process.wait()
  run_module("musegen_jax.train", *arguments)
  straight = [*flags(tiny_dataset, tmp_path / "straight"), *more]
  run_module("musegen_jax.train", *straight)
  assert_same(final(tmp_path / "straight", 60), final(tmp_path / "killed", 60))


def test_sigterm_saves_and_exits_zero(
  tiny_dataset: pathlib.Path, tmp_path: pathlib.Path
) -> None:
  workdir = tmp_path / "run"
  process = subprocess.Popen(
    [
      *(sys.executable, "-m", "musegen_jax.train"),
      *flags(tiny_dataset, workdir),
      "--config.train.steps=100000",
      "--config.train.checkpoint_every=100000",
      "--config.train.evaluate_every=100000",
    ],
    cwd=ROOT,
    stdout=subprocess.PIPE,
    stderr=subprocess.DEVNULL,
    text=True,
  )
  deadline = time.monotonic() + 120
  while not losses(workdir):
    assert time.monotonic() < deadline
    time.sleep(0.01)
  second = run_module(
    "musegen_jax.train", *flags(tiny_dataset, workdir), check=False
  )
  assert second.returncode == 1
  assert "another trainer is working in" in second.stderr
  process.send_signal(signal.SIGTERM)
  output, _ = process.communicate(timeout=60)
  assert process.returncode == 0
  assert "the same command goes on" in output
  saved = checkpoints.load(workdir)
  assert saved.step == writer.read_metrics(workdir)[-1]["step"]


def device_losses(
  dataset: pathlib.Path, workdir: pathlib.Path, devices: int
) -> list[float]:
  arguments = [*flags(dataset, workdir), *IN_PAIRS]
  options = f"--xla_force_host_platform_device_count={devices}"
  run_module("musegen_jax.train", *arguments, XLA_FLAGS=options)
  return losses(workdir)


def test_devices_and_processes_change_nothing(
  tiny_dataset: pathlib.Path, tmp_path: pathlib.Path
) -> None:
  one = device_losses(tiny_dataset, tmp_path / "one", 1)
  four = device_losses(tiny_dataset, tmp_path / "four", 4)
  with socket.socket() as probe:
    probe.bind(("127.0.0.1", 0))
    port = probe.getsockname()[1]
  options = "--xla_force_host_platform_device_count=2"
  processes = [
    subprocess.Popen(
      [
        *(sys.executable, "-m", "musegen_jax.train"),
        *flags(tiny_dataset, tmp_path / "two"),
        *IN_PAIRS,
        f"--coordinator=127.0.0.1:{port}",
        "--num_processes=2",
        f"--process_id={number}",
      ],
      cwd=ROOT,
      env=os.environ | {"XLA_FLAGS": options},
      stdout=subprocess.DEVNULL,
      stderr=subprocess.PIPE,
      text=True,
    )
    for number in range(2)
  ]
  for process in processes:
    _, errors = process.communicate(timeout=240)
    assert process.returncode == 0, errors
  assert len(one) == 2
  np.testing.assert_allclose(four, one, rtol=2e-5)
  np.testing.assert_allclose(losses(tmp_path / "two"), one, rtol=2e-5)
  for kind in ("four", "two"):
    theirs, ours = final(tmp_path / kind, 4), final(tmp_path / "one", 4)
    for a, b in zip(
      jax.tree.leaves(theirs), jax.tree.leaves(ours), strict=True
    ):
      np.testing.assert_allclose(a, b, rtol=1e-3, atol=1e-4)


def test_micro_batches_change_nothing(
  tiny_config: config_lib.Config, tmp_path: pathlib.Path
) -> None:
  run.train(tiny_config, tmp_path / "whole", "")
  parts = copy.deepcopy(tiny_config)
  parts.train.accumulate = 2
  run.train(parts, tmp_path / "parts", "")
  np.testing.assert_allclose(
    losses(tmp_path / "parts"), losses(tmp_path / "whole"), rtol=2e-5
  )


def test_non_finite_loss_names_the_step_and_keeps_the_last_checkpoint(
  tiny_config: config_lib.Config, tmp_path: pathlib.Path
) -> None:
  tiny_config.optimizer.learning_rate = 1e38
  tiny_config.train.checkpoint_every = 1
  with pytest.raises(UserError, match=r"step \d+: loss"):
    run.train(tiny_config, tmp_path, "")
  saved = checkpoints.load(tmp_path)
  for leaf in jax.tree.leaves(saved.params):
    assert np.isfinite(leaf).all()


@pytest.mark.parametrize(
  ("change", "names"),
  [
    (("optimizer", "learning_rate", 0.5), "config.optimizer.learning_rate"),
    (("data", "codec", "melody"), "vocabulary_hash"),
  ],
)
def test_another_run_in_the_same_folder_is_refused(
  tiny_config: config_lib.Config,
  tmp_path: pathlib.Path,
  change: tuple,
  names: str,
) -> None:
  tiny_config.train.steps = 3
  run.train(tiny_config, tmp_path, "")
  before = final(tmp_path, 3)
  section, field, value = change
  setattr(getattr(tiny_config, section), field, value)
  with pytest.raises(UserError, match=names):
    run.train(tiny_config, tmp_path, "")
  assert_same(final(tmp_path, 3), before)


def test_other_data_is_refused(
  tiny_config: config_lib.Config, tmp_path: pathlib.Path
) -> None:
  run.train(tiny_config, tmp_path, "")
  path = tmp_path / "config.json"
  identity = json.loads(path.read_text())
  identity["data_fingerprint"] = "other"
  path.write_text(json.dumps(identity))
  with pytest.raises(UserError, match="data_fingerprint: 'other' ->"):
    run.train(tiny_config, tmp_path, "")


def test_finished_run_is_left_alone(
  tiny_config: config_lib.Config,
  tmp_path: pathlib.Path,
  capsys: pytest.CaptureFixture,
) -> None:
  run.train(tiny_config, tmp_path, "")
  assert (tmp_path / "loss.png").stat().st_size > 1000
  run.train(tiny_config, tmp_path, "")
  assert "nothing to do" in capsys.readouterr().out


def test_early_stopping_survives_a_restart(
  tiny_config: config_lib.Config,
  tmp_path: pathlib.Path,
  monkeypatch: pytest.MonkeyPatch,
  capsys: pytest.CaptureFixture,
) -> None:
  tiny_config.train.steps = 50
  tiny_config.train.evaluate_every = 1
  tiny_config.train.early_stop = 2
  valid = iter([3.0, 2.0, 2.5, 2.2, 1.0])
  monkeypatch.setattr(
    likelihood,
    "score",
    lambda *_, **__: likelihood.Scores(
      np.array([next(valid)]), np.zeros(1), np.ones(1)
    ),
  )
  run.train(tiny_config, tmp_path, "")
  assert writer.read_metrics(tmp_path)[-1]["step"] == 4
  assert checkpoints.load(tmp_path).step == 2  # the best is kept
  run.train(tiny_config, tmp_path, "")
  assert "nothing to do" in capsys.readouterr().out


def test_fine_tuning_with_frozen_layers(
  tiny_config: config_lib.Config, tmp_path: pathlib.Path
) -> None:
  run.train(tiny_config, tmp_path / "first", "")
  tuned = copy.deepcopy(tiny_config)
  tuned.optimizer.frozen = "embedding|recurrent"
  run.train(tuned, tmp_path / "second", str(tmp_path / "first"))
  start, end = final(tmp_path / "first", 6), final(tmp_path / "second", 6)
  for name in start:
    same = np.array_equal(start[name], end[name])
    assert same == (name in ("embedding", "recurrent")), name


def test_fine_tuning_refuses_other_shapes_and_vocabularies(
  tiny_config: config_lib.Config, tmp_path: pathlib.Path
) -> None:
  run.train(tiny_config, tmp_path / "first", "")
  wider = copy.deepcopy(tiny_config)
  wider.model.hidden_size = 12
  with pytest.raises(UserError, match="head: .8, 391. -> .12, 391."):
    run.train(wider, tmp_path / "second", str(tmp_path / "first"))
  tiny_config.data.codec = "melody"
  says = "set --config.data.codec=performance --config.data.steps_per_beat=0"
  with pytest.raises(UserError, match=says):
    run.train(tiny_config, tmp_path / "third", str(tmp_path / "first"))


def test_seconds_set_the_steps_once(
  tiny_config: config_lib.Config,
  tmp_path: pathlib.Path,
  monkeypatch: pytest.MonkeyPatch,
  capsys: pytest.CaptureFixture,
) -> None:
  # A second passes from one look at the clock to the next.
  ticks = itertools.count(0.0)
  clock = types.SimpleNamespace(monotonic=lambda: next(ticks))
  monkeypatch.setattr(pace, "time", clock)
  run.train(tiny_config, tmp_path, "", seconds=4.0)

  assert len(losses(tmp_path)) == 4
  run.train(tiny_config, tmp_path, "", seconds=100.0)
  assert "complete" in capsys.readouterr().out

  tiny_config.optimizer.warmup_steps = 5
  with pytest.raises(UserError, match="warmup_steps 5"):
    run.train(tiny_config, tmp_path / "short", "", seconds=4.0)


def test_metrics_say_how_much_was_trained(
  tiny_config: config_lib.Config, tmp_path: pathlib.Path
) -> None:
  run.train(tiny_config, tmp_path, "")
  rows = [r for r in writer.read_metrics(tmp_path) if "train/loss" in r]

  for name in ("seconds", "notes", "epoch"):
    values = [row[f"train/{name}"] for row in rows]
    assert values == sorted(set(values)) and values[0] > 0
  per_second = [row["train/notes_per_second"] for row in rows]
  spent = np.diff([row["train/seconds"] for row in rows])
  notes = np.diff([row["train/notes"] for row in rows])
  np.testing.assert_allclose(notes / spent, per_second[1:])
  assert rows[3]["train/epoch"] == 2 * rows[1]["train/epoch"]
