"""The three programs as a user calls them: a run, and what goes wrong."""

import json
import pathlib
import shutil

import pytest

from tests.conftest import run_module

TINY = [
  "--config=configs/quickstart.py",
  "--config.model.embedding_size=6",
  "--config.model.hidden_size=8",
  "--config.optimizer.warmup_steps=2",
  "--config.train.batch_size=4",
  "--config.train.window=16",
  "--config.train.steps=4",
]


@pytest.fixture(scope="module")
def trained(
  tiny_dataset: pathlib.Path, tmp_path_factory: pytest.TempPathFactory
) -> pathlib.Path:
  workdir = tmp_path_factory.mktemp("entry") / "run"
  data = f"--config.data.data_dir={tiny_dataset}"
  done = run_module("musegen_jax.train", *TINY, data, f"--workdir={workdir}")
  assert "done: lowest validation loss" in done.stdout
  return workdir


def test_evaluation_stands_beside_its_baselines(trained: pathlib.Path) -> None:
  done = run_module("musegen_jax.evaluate", f"--checkpoint={trained}", "--json")
  result = json.loads(done.stdout)
  model, unigram, adapting, best = result["rows"]
  assert unigram["model"] == "unigram"
  assert adapting["model"] == "unigram adapting to the piece"
  assert "Kneser-Ney" in best["model"]
  assert best["bits_per_note"][0] < unigram["bits_per_note"][0]
  assert result["same_data"] and result["pieces"] > 0
  for row in result["rows"]:
    value, low, high = row["nats_per_event"]
    assert 0 < low <= value <= high
  gain = result["gains"][-1]
  expected = best["bits_per_note"][0] - model["bits_per_note"][0]
  assert gain["bits_per_note"][0] == pytest.approx(expected)


def test_table_names_counts_and_averaging(trained: pathlib.Path) -> None:
  done = run_module(
    "musegen_jax.evaluate",
    f"--checkpoint={trained}",
    "--split=valid",
    "--nobaseline",
  )
  assert "split valid: " in done.stdout and " events, " in done.stdout
  assert "pooled: " in done.stdout
  assert "| LSTM | " in done.stdout and "Kneser" not in done.stdout


def test_a_peer_is_for_a_vae(trained: pathlib.Path) -> None:
  both = [f"--checkpoint={trained}", f"--lstm={trained}"]
  done = run_module("musegen_jax.evaluate", *both, check=False)
  assert done.returncode == 1
  assert done.stderr.strip() == (
    "error: --lstm stands beside a VAE: leave it out here"
  )


def test_harmonise_needs_a_model_of_voices(
  trained: pathlib.Path, tmp_path: pathlib.Path
) -> None:
  done = run_module(
    "musegen_jax.sample",
    f"--checkpoint={trained}",
    f"--output_dir={tmp_path / 'out'}",
    "--mode=harmonise",
    "--input=melody.mid",
    check=False,
  )
  assert done.returncode == 1
  [line] = done.stderr.strip().splitlines()
  assert line.startswith("error: --mode=harmonise needs a model of codec")
  assert not (tmp_path / "out").exists()


def test_samples_and_summary(
  trained: pathlib.Path, tmp_path: pathlib.Path
) -> None:
  samples = tmp_path / "samples"
  done = run_module(
    "musegen_jax.sample",
    f"--checkpoint={trained}",
    f"--output_dir={samples}",
    "--num=2",
    "--batch_size=2",
    "--seconds=2",
  )
  assert done.stdout.startswith("wrote 2 pieces")
  scores = run_module(
    "musegen_jax.evaluate", f"--checkpoint={trained}", "--json"
  )
  (tmp_path / "evaluation.json").write_text(scores.stdout)
  done = run_module("musegen_jax.evaluation.summary", f"--run_dir={tmp_path}")
  assert len(done.stdout.splitlines()) == 5
  assert "2 new pieces" in done.stdout


@pytest.mark.parametrize(
  ("module", "arguments", "says"),
  [
    ("train", ["--workdir=w", "--config.data.data_dir=gone"], "gone is no"),
    ("train", ["--workdir=w", "--config.model.layer=3"], "Field layer not"),
    ("train", ["--workdir=w", "--config.train.steps=x"], "config.train.steps"),
    ("train", ["--workdir=w", "--config=gone.py"], "gone.py"),
    ("train", [], "--workdir"),
    ("train", ["--workdir=w", "--process_id=1"], "--coordinator"),
    ("evaluate", ["--checkpoint=gone"], "no checkpoint at gone"),
    ("evaluate", ["--checkpoint=gone", "--split=both"], "test|all"),
    ("sample", ["--checkpoint=gone", "--output_dir=s"], "no checkpoint at"),
    ("sample", ["--checkpoint=g", "--output_dir=s", "--top_p=0"], "--top_p"),
    ("compare", ["--output_dir=r"], "--runs"),
    ("compare", ["--runs=a:", "--output_dir=r"], "must be name:folder"),
    ("compare", ["--runs=gone", "--output_dir=r"], "no checkpoint at gone"),
  ],
)
def test_mistakes_are_one_line(
  module: str, arguments: list[str], says: str
) -> None:
  done = run_module(f"musegen_jax.{module}", *arguments, check=False)
  assert done.returncode == 1
  [line] = done.stderr.strip().splitlines()
  assert line.startswith("error: ") and says in line


def test_damaged_checkpoint_is_named(
  trained: pathlib.Path, tmp_path: pathlib.Path
) -> None:
  broken = tmp_path / "broken"
  shutil.copytree(trained, broken)
  for path in broken.glob("checkpoints/*/params/**/d/*"):
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
  done = run_module(
    "musegen_jax.evaluate", f"--checkpoint={broken}", check=False
  )
  assert done.returncode == 1
  [line] = done.stderr.strip().splitlines()
  assert "cannot be read" in line
