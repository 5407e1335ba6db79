"""Settings every test shares; importing it does not import JAX."""

import os
import pathlib
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).resolve().parent.parent
SHARED = ROOT.parent / "shared" / "data"

# Subprocesses started by tests inherit these, so a step compiles once a suite.
os.environ.setdefault("JAX_COMPILATION_CACHE_DIR", str(ROOT / ".cache" / "jax"))
os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0.3")
os.environ.setdefault("JAX_NUMPY_RANK_PROMOTION", "raise")
os.environ.setdefault("JAX_PLATFORMS", "cpu")


@pytest.fixture(scope="session")
def shared_data() -> pathlib.Path:
  """The folder of real MIDI beside the checkout; skips where it is absent."""
  if not SHARED.is_dir():
    pytest.skip("../shared/data is not beside this checkout")
  return SHARED


def make_tunes(folder: pathlib.Path, count: int) -> None:
  """Writes `count` two-part MIDI files, scales of random steps."""
  import numpy as np

  from musegen_jax.data import midi, notes

  folder.mkdir(parents=True)
  for number in range(count):
    rng = np.random.default_rng(number)
    steps = rng.choice([-2, -1, 1, 2], 24)
    pitch = np.clip(60 + np.cumsum(steps), 40, 90)
    start = np.arange(24) * 240
    tune = notes.make_notes(start, np.full(24, 240), pitch)
    bass = notes.make_notes(
      start[::4], np.full(6, 960), pitch[::4] - 12, track=1
    )
    table = notes.sort(np.concatenate([tune, bass]))
    piece = notes.Piece(480, table)
    midi.write_midi(piece, folder / f"tune{number:02d}.mid")


@pytest.fixture(scope="session")
def tiny_dataset(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
  """A data set of 24 small pieces, built by the real program."""
  folder = tmp_path_factory.mktemp("tiny")
  make_tunes(folder / "midi", 24)
  run_module(
    "data_prep.build_shards",
    f"--midi_dir={folder / 'midi'}",
    f"--output_dir={folder / 'shards'}",
    "--workers=1",
    "--num_shards=2",
    "--valid_fraction=0.2",
    "--test_fraction=0.2",
  )
  return folder / "shards"


@pytest.fixture(scope="session")
def trained_vae(
  tiny_dataset: pathlib.Path, tmp_path_factory: pytest.TempPathFactory
) -> pathlib.Path:
  """The run of a VAE of two bars of melody, four steps old."""
  workdir = tmp_path_factory.mktemp("vae") / "run"
  run_module(
    "musegen_jax.train",
    "--config=configs/quickstart.py",
    f"--workdir={workdir}",
    f"--config.data.data_dir={tiny_dataset}",
    "--config.data.codec=melody",
    "--config.data.unit=window",
    "--config.model.kind=vae",
    "--config.model.embedding_size=6",
    "--config.model.hidden_size=8",
    "--config.vae.latent_size=3",
    "--config.vae.encoder_size=8",
    "--config.vae.warmup_steps=2",
    "--config.optimizer.warmup_steps=2",
    "--config.train.batch_size=4",
    "--config.train.window=32",
    "--config.train.steps=4",
  )
  return workdir


def run_module(
  module: str, *arguments: str, check: bool = True, **environment: str
) -> subprocess.CompletedProcess:
  """Runs `python -m module` from the checkout, as a user would."""
  done = subprocess.run(
    [sys.executable, "-m", module, *arguments],
    cwd=ROOT,
    env=os.environ | environment,
    capture_output=True,
    text=True,
  )
  assert not check or done.returncode == 0, done.stderr
  return done
