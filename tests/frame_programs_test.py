"""A model of frames as a user makes one: from a benchmark file to MIDI."""

import json
import pathlib

import numpy as np
import pytest

from musegen_jax.data import midi
from tests import toy_rolls
from tests.conftest import run_module

TINY = [
  "--config=configs/quickstart.py",
  "--config.data.codec=frames",
  "--config.data.steps_per_beat=1",
  "--config.model.kind=frames",
  "--config.frames.key_size=4",
  "--config.frames.head_size=6",
  "--config.frames.lowest_pitch=58",
  "--config.frames.highest_pitch=75",
  "--config.optimizer.warmup_steps=2",
  "--config.train.batch_size=4",
  "--config.train.window=8",
  "--config.train.steps=4",
]


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
  folder = tmp_path_factory.mktemp("programs")
  toy_rolls.write_npz(folder / "toy.npz")
  run_module(
    "data_prep.import_frames",
    f"--npz={folder / 'toy.npz'}",
    f"--output_dir={folder / 'data'}",
    "--steps_per_beat=1",
  )
  done = run_module(
    "musegen_jax.train",
    *TINY,
    f"--config.data.data_dir={folder / 'data'}",
    f"--workdir={folder / 'run'}",
  )
  assert "nats a frame, the first of each piece not counted" in done.stdout
  return folder / "run"


def test_evaluation_stands_beside_its_baselines(trained: pathlib.Path) -> None:
  done = run_module("musegen_jax.evaluate", f"--checkpoint={trained}", "--json")
  result = json.loads(done.stdout)
  assert (result["kind"], result["split"], result["pieces"]) == (
    *("frames", "test", 3),
  )
  assert result["same_data"] and len(result["rows"]) == 4
  assert all(row["figures"]["b"]["mean"] > 0 for row in result["rows"])
  done = run_module(
    "musegen_jax.evaluate",
    f"--checkpoint={trained}",
    "--split=valid",
    "--nobaseline",
  )
  assert "split valid: 3 pieces" in done.stdout
  assert "| frame LSTM | " in done.stdout and "Markov" not in done.stdout


def test_samples_last_as_long_as_asked(
  trained: pathlib.Path, tmp_path: pathlib.Path
) -> None:
  done = run_module(
    "musegen_jax.sample",
    f"--checkpoint={trained}",
    f"--output_dir={tmp_path}",
    "--num=2",
    "--batch_size=2",
    "--seconds=4",
    "--temperature=1.2",
  )
  assert done.stdout.startswith("wrote 2 pieces")
  for path in tmp_path.glob("*.mid"):
    notes = midi.read_midi(path.read_bytes()).piece.notes
    # Eight quarters at 120 beats a minute.
    ends = notes["start_tick"] + notes["duration_ticks"]
    assert np.all(notes["start_tick"] % 480 == 0) and ends.max() <= 8 * 480


@pytest.mark.parametrize(
  ("module", "flag", "says"),
  [
    ("sample", "--top_k=3", "--top_k has no meaning for a model of frames"),
    (
      "sample",
      "--mode=prior",
      "needs a VAE, and this checkpoint is of a model",
    ),
    ("evaluate", "--lstm", "--lstm stands beside a VAE"),
    ("embed", "--midi_dir", "a model of frames, of which there are no embed"),
  ],
)
def test_what_it_cannot_do_is_one_line(
  trained: pathlib.Path,
  tmp_path: pathlib.Path,
  module: str,
  flag: str,
  says: str,
) -> None:
  more = {
    "sample": [f"--output_dir={tmp_path}", flag],
    "evaluate": [f"{flag}={trained}"],
    "embed": [f"{flag}={tmp_path}", f"--output={tmp_path / 'out'}"],
  }
  done = run_module(
    f"musegen_jax.{module}",
    f"--checkpoint={trained}",
    *more[module],
    check=False,
  )
  assert done.returncode == 1
  [line] = done.stderr.strip().splitlines()
  assert line.startswith("error: ") and says in line
