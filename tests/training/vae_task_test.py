"""Whole runs of a VAE: resume, devices, refusals, collapse, fine-tuning."""

import copy
import pathlib

import jax
import numpy as np
import pytest

from musegen_jax import config as config_lib
from musegen_jax.errors import UserError
from musegen_jax.training import checkpoints, loop, run, writer
from tests.conftest import ROOT, run_module


@pytest.fixture
def vae_config(tiny_config: config_lib.Config) -> config_lib.Config:
  """Six steps of a VAE of two bars."""
  config = copy.deepcopy(tiny_config)
  config.data.codec = "melody"
  config.data.unit = "window"
  config.model.kind = "vae"
  config.model.layers = 1
  config.model.dropout = 0.2
  config.train.window = 32
  config.vae = config_lib.Vae(
    latent_size=3,
    encoder_size=6,
    pool_size=2,
    plan_size=2,
    warmup_steps=2,
    word_dropout=0.2,
  )
  return config


def final(workdir: pathlib.Path) -> dict:
  return checkpoints.load(workdir / "checkpoints" / "6").params


def losses(workdir: pathlib.Path) -> list[float]:
  rows = writer.read_metrics(workdir)
  return [row["train/loss"] for row in rows if "train/loss" in row]


def hierarchical(config: config_lib.Config) -> config_lib.Config:
  other = copy.deepcopy(config)
  other.vae.decoder = "hierarchical"
  other.vae.conductor_size = 5
  return other


def test_killed_run_ends_like_an_uninterrupted_one(
  vae_config: config_lib.Config,
  tmp_path: pathlib.Path,
  monkeypatch: pytest.MonkeyPatch,
) -> None:
  config = hierarchical(vae_config)
  run.train(config, tmp_path / "straight", "")

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
      run.train(config, tmp_path / "killed", "")
  run.train(config, tmp_path / "killed", "")
  jax.tree.map(
    np.testing.assert_array_equal,
    final(tmp_path / "straight"),
    final(tmp_path / "killed"),
  )
  assert losses(tmp_path / "straight") == losses(tmp_path / "killed")


@pytest.mark.slow
def test_seeds_decide(
  vae_config: config_lib.Config, tmp_path: pathlib.Path
) -> None:
  for name, seed in (("a", 0), ("b", 0), ("c", 1)):
    vae_config.train.seed = seed
    run.train(vae_config, tmp_path / name, "")
  assert losses(tmp_path / "a") == losses(tmp_path / "b")
  assert losses(tmp_path / "a") != losses(tmp_path / "c")


@pytest.mark.slow
def test_devices_change_nothing(
  tiny_dataset: pathlib.Path, tmp_path: pathlib.Path
) -> None:
  arguments = [
    f"--config={ROOT / 'configs' / 'vae_2bar.py'}",
    f"--config.data.data_dir={tiny_dataset}",
    "--config.model.embedding_size=6",
    "--config.model.hidden_size=8",
    "--config.model.dropout=0.2",
    "--config.vae.encoder_size=6",
    "--config.vae.latent_size=3",
    "--config.vae.word_dropout=0.2",
    "--config.vae.scheduled_sampling=0.5",
    "--config.vae.mmd_weight=2.0",
    "--config.vae.warmup_steps=1",
    "--config.optimizer.warmup_steps=2",
    "--config.train.batch_size=8",
    "--config.train.steps=4",
    "--config.train.log_every=1",
  ]
  for devices in (1, 4):
    run_module(
      "musegen_jax.train",
      *arguments,
      f"--workdir={tmp_path / str(devices)}",
      XLA_FLAGS=f"--xla_force_host_platform_device_count={devices}",
    )
  one, four = losses(tmp_path / "1"), losses(tmp_path / "4")
  assert len(one) == 4
  np.testing.assert_allclose(four, one, rtol=2e-5)


def test_micro_batches_change_nothing(
  vae_config: config_lib.Config, tmp_path: pathlib.Path
) -> None:
  run.train(vae_config, tmp_path / "whole", "")
  vae_config.train.accumulate = 2
  run.train(vae_config, tmp_path / "parts", "")
  np.testing.assert_allclose(
    losses(tmp_path / "parts"), losses(tmp_path / "whole"), rtol=2e-5
  )


def test_figures_and_collapse_are_logged(
  vae_config: config_lib.Config,
  tmp_path: pathlib.Path,
  capsys: pytest.CaptureFixture,
) -> None:
  run.train(vae_config, tmp_path, "")
  valid = [r for r in writer.read_metrics(tmp_path) if "valid/loss" in r]
  assert [row["step"] for row in valid] == [3, 6]
  for name in ("kl_bits", "active_units", "mutual_information_bits"):
    assert np.isfinite(valid[-1][f"valid/{name}"])
  rows = writer.read_metrics(tmp_path)
  vectors = [r for r in rows if "valid/kl_bits_per_dimension" in r]
  each = vectors[-1]["valid/kl_bits_per_dimension"]
  assert len(each) == 3
  assert sum(each) == pytest.approx(valid[-1]["valid/kl_bits"], rel=1e-4)
  # Six steps teach a latent space of three units nothing.
  assert valid[-1]["valid/collapsed"] == 1
  said = capsys.readouterr()
  assert "posterior collapse" in said.out + said.err
  assert "vae.free_bits" in said.out + said.err


def test_another_objective_in_the_same_folder_is_refused(
  vae_config: config_lib.Config, tmp_path: pathlib.Path
) -> None:
  run.train(vae_config, tmp_path, "")
  vae_config.vae.beta = 0.123
  with pytest.raises(UserError, match="config.vae.beta: 0.5 -> 0.123"):
    run.train(vae_config, tmp_path, "")


def test_fine_tuning_with_a_frozen_encoder(
  vae_config: config_lib.Config, tmp_path: pathlib.Path
) -> None:
  run.train(vae_config, tmp_path / "first", "")
  vae_config.optimizer.frozen = "encoder"
  run.train(vae_config, tmp_path / "second", str(tmp_path / "first"))
  start, end = final(tmp_path / "first"), final(tmp_path / "second")
  for name in start:
    pairs = zip(
      jax.tree.leaves(start[name]), jax.tree.leaves(end[name]), strict=True
    )
    same = all(np.array_equal(a, b) for a, b in pairs)
    assert same == (name == "encoder"), name


def test_a_language_model_of_windows(
  vae_config: config_lib.Config, tmp_path: pathlib.Path
) -> None:
  vae_config.model.kind = "lstm"
  run.train(vae_config, tmp_path, "")
  assert len(losses(tmp_path)) == 6


@pytest.mark.parametrize(
  ("section", "field", "value", "says"),
  [
    ("data", "unit", "piece", "needs data.unit window"),
    ("vae", "decoder", "tree", "neither flat nor hierarchical"),
    ("vae", "word_dropout", 1.5, "not in 0..1"),
    ("vae", "beta", float("nan"), "vae.beta nan"),
    ("train", "window", 30, "multiple of"),
  ],
)
def test_contradictions_are_named(
  vae_config: config_lib.Config,
  tmp_path: pathlib.Path,
  section: str,
  field: str,
  value: object,
  says: str,
) -> None:
  config = hierarchical(vae_config)
  setattr(getattr(config, section), field, value)
  with pytest.raises(UserError, match=says):
    run.train(config, tmp_path, "")
