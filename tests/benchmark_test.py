"""The benchmark and its search as a user calls them."""

import json
import pathlib

import pytest

from tests import toy_rolls
from tests.conftest import run_module

TINY = """
from musegen_jax import config

def get_config(name: str = "none") -> config.Config:
  study = config.Config()
  study.model.kind, study.data.codec = "frames", "frames"
  study.frames.head, study.frames.key_size = "sigmoid", 4
  study.frames.head_size = 4
  study.frames.lowest_pitch, study.frames.highest_pitch = 38, 54
  study.optimizer.warmup_steps = 1
  study.train.steps, study.train.batch_size, study.train.window = 3, 2, 8
  study.data.transpose_semitones = 0
  return study

def get_space() -> dict[str, list]:
  return {"model.dropout": [0.1, 0.2], "frames.head_size": [3, 5]}
"""


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
  folder = tmp_path_factory.mktemp("benchmark")
  toy_rolls.write_npz(folder / "toy.npz")
  (folder / "tiny.py").write_text(TINY)
  return folder


def test_a_run_and_its_repetition(place: pathlib.Path) -> None:
  arguments = [
    f"--data={place}/toy.npz",
    f"--config={place}/tiny.py",
    "--config.train.steps=2",
    "--seeds=2",
    "--seeds_at_once=2",
    f"--output_dir={place}/out",
  ]
  done = run_module("musegen_jax.benchmark", *arguments)
  assert "tiny on toy: seeds 0, 1" in done.stderr
  assert done.stdout == (place / "out/benchmark.md").read_text()
  result = json.loads((place / "out/benchmark.json").read_text())
  row = result["sets"][0]["rows"][3]
  assert row["model"] == "tiny" and row["steps"] == [2, 2]
  seeds = row["figures"]["b"]["seeds"]
  assert len(set(seeds)) == 2 and min(seeds) > 0
  again = run_module("musegen_jax.benchmark", *arguments)
  assert "seeds" not in again.stderr and again.stdout == done.stdout


def test_a_search(place: pathlib.Path) -> None:
  done = run_module(
    "musegen_jax.search",
    f"--data={place}/toy.npz",
    f"--config={place}/tiny.py",
    "--trials=1",
    f"--output_dir={place}/search",
  )
  result = json.loads((place / "search/tiny-toy/search.json").read_text())
  [trial] = result["trials"]
  assert trial["valid"] > 0 and set(trial["draw"]) == set(result["space"])
  assert "the test split was not read" in done.stdout


@pytest.mark.parametrize(
  ("arguments", "says"),
  [
    (["--data=jbs"], "--data=jbs is neither one of jsb"),
    (["--data=gone.npz"], "gone.npz"),
    (["--data="], "--data is empty"),
    (["--data_dir=gone"], "gone/JSB_Chorales.npz does not exist"),
    (["--config=gone.py"], "--config=gone.py does not exist"),
    (["--config=configs/lstm.py"], "model.kind 'lstm'"),
    (["--config.train.stepss=1"], "Field stepss not"),
    (["--config.train.steps=x"], "config.train.steps"),
    (["--seeds=0"], "--seeds"),
  ],
)
def test_mistakes_are_one_line(
  place: pathlib.Path, arguments: list[str], says: str
) -> None:
  usual = [f"--data={place}/toy.npz", f"--config={place}/tiny.py"]
  if arguments[0].startswith("--data_dir"):
    usual[0] = "--data=jsb"
  out = f"--output_dir={place}/mistakes"
  done = run_module(
    "musegen_jax.benchmark", *usual, *arguments, out, check=False
  )
  assert done.returncode == 1
  [line] = done.stderr.strip().splitlines()
  assert line.startswith("error: ") and says in line
  assert not (place / "mistakes").exists()


def test_a_config_without_a_space(place: pathlib.Path) -> None:
  path = place / "plain.py"
  path.write_text(TINY.split("def get_space")[0])
  done = run_module(
    "musegen_jax.search",
    f"--data={place}/toy.npz",
    f"--config={path}",
    f"--output_dir={place}/mistakes",
    check=False,
  )
  assert done.returncode == 1 and "has no space to search" in done.stderr
