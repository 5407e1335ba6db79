"""Sampling a VAE as a user does; `entry_points_test` does so with an LSTM."""

import json
import pathlib
import subprocess

import pytest

from tests.conftest import run_module


@pytest.fixture(scope="module")
def tune(tiny_dataset: pathlib.Path) -> pathlib.Path:
  return tiny_dataset.parent / "midi" / "tune00.mid"


def sample(
  run: pathlib.Path, folder: pathlib.Path, *flags: str, check: bool = True
) -> subprocess.CompletedProcess:
  return run_module(
    "musegen_jax.sample",
    f"--checkpoint={run}",
    f"--output_dir={folder}",
    *flags,
    check=check,
  )


def test_prior_is_the_default(
  trained_vae: pathlib.Path, tmp_path: pathlib.Path
) -> None:
  done = sample(
    trained_vae, tmp_path, "--num=2", "--z_temperature=0.8", "--png"
  )
  assert done.stdout.startswith("wrote 2 pieces, ")
  index = json.loads((tmp_path / "samples.json").read_text())
  settings = index["settings"]
  assert (settings["mode"], settings["prior"]) == ("prior", "standard")
  assert settings["z_temperature"] == 0.8
  assert settings["strategy"]["temperature"] == 1.0
  assert index["step"] == 4 and len(index["pieces"]) == 2
  assert (tmp_path / "piece-00001.png").exists()


def test_modes_with_inputs_are_greedy_by_default(
  trained_vae: pathlib.Path, tune: pathlib.Path, tmp_path: pathlib.Path
) -> None:
  flags = ["--mode=attribute", "--attribute=mean_pitch", f"--input={tune}"]
  done = sample(trained_vae, tmp_path, *flags)
  assert done.stdout.startswith(("wrote 1 pieces", "wrote 0 pieces"))
  settings = json.loads((tmp_path / "samples.json").read_text())["settings"]
  assert settings["strategy"]["temperature"] == 0
  assert (settings["num"], settings["amount"]) == (1, 1.0)
  assert (trained_vae / "latent-4.npz").exists()


@pytest.mark.parametrize(
  ("flags", "says"),
  [
    (["--primer=a.mid"], "--primer has no meaning for --mode=prior"),
    (["--mode=vary", "--input=gone.mid"], "--input=gone.mid does not exist"),
    (["--mode=walk"], "prior|reconstruct|interpolate|vary|attribute"),
  ],
)
def test_mistakes_are_one_line(
  trained_vae: pathlib.Path,
  tmp_path: pathlib.Path,
  flags: list[str],
  says: str,
) -> None:
  done = sample(trained_vae, tmp_path / "out", *flags, check=False)
  assert done.returncode == 1
  [line] = done.stderr.strip().splitlines()
  assert line.startswith("error: ") and says in line
  assert not (tmp_path / "out").exists()
