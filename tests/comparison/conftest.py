"""A data set with enough held-out tunes, and tiny runs trained on it."""

import dataclasses
import pathlib

import pytest

from musegen_jax import config as config_lib
from musegen_jax.training import run
from tests.comparison import tunes
from tests.conftest import run_module


@pytest.fixture(scope="session")
def tunes_data(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
  """64 tunes, nearly half of them held out."""
  folder = tmp_path_factory.mktemp("tunes")
  tunes.write(folder / "midi", 64)
  run_module(
    "data_prep.build_shards",
    f"--midi_dir={folder / 'midi'}",
    f"--output_dir={folder / 'shards'}",
    "--workers=1",
    "--num_shards=2",
    "--valid_fraction=0.1",
    "--test_fraction=0.4",
  )
  return folder / "shards"


def tiny(data: pathlib.Path, kind: str, seed: int) -> config_lib.Config:
  """Four steps of a network of eight units on windows of four bars."""
  return config_lib.Config(
    data=config_lib.Data(
      data_dir=str(data), codec="melody", unit="window", transpose_semitones=1
    ),
    model=config_lib.Model(
      kind=kind, embedding_size=6, hidden_size=8, layers=1, dropout=0.0
    ),
    vae=config_lib.Vae(
      latent_size=3, encoder_size=8, pool_size=2, plan_size=2, warmup_steps=2
    ),
    optimizer=config_lib.Optimizer(warmup_steps=2),
    train=config_lib.Train(
      seed=seed, steps=4, batch_size=4, window=64, log_every=2
    ),
  )


@dataclasses.dataclass(frozen=True)
class Runs:
  """Folders of runs: of an LSTM, and of a VAE with two seeds."""

  lstm: pathlib.Path
  vae: tuple[pathlib.Path, pathlib.Path]


@pytest.fixture(scope="session")
def runs(
  tunes_data: pathlib.Path, tmp_path_factory: pytest.TempPathFactory
) -> Runs:
  """Trained once for all tests."""
  folder = tmp_path_factory.mktemp("runs")
  for name, kind, seed in (
    ("lstm", "lstm", 0),
    ("vae-0", "vae", 0),
    ("vae-1", "vae", 1),
  ):
    run.train(tiny(tunes_data, kind, seed), folder / name, "")
  return Runs(folder / "lstm", (folder / "vae-0", folder / "vae-1"))
