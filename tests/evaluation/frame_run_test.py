"""One evaluation of a model of frames, and what is asked in vain of one."""

import pathlib

import numpy as np
import pytest

from musegen_jax.data import frame_sets, shards
from musegen_jax.data import frames as rolls
from musegen_jax.data.codecs import codec as codec_lib
from musegen_jax.evaluation import frame_rules, frame_run
from musegen_jax.training import checkpoints
from tests import toy_rolls, untrained


@pytest.fixture(scope="module")
def loaded(
  tiny_dataset: pathlib.Path, tmp_path_factory: pytest.TempPathFactory
) -> checkpoints.Checkpoint:
  folder = tmp_path_factory.mktemp("frames")
  return untrained.checkpoint(tiny_dataset, folder, "frames", "frames", "piece")


def test_figures_beside_the_baselines(
  loaded: checkpoints.Checkpoint, tiny_dataset: pathlib.Path
) -> None:
  result = frame_run.evaluate(loaded.params, loaded.meta, "test", "", True)
  dataset = shards.open_dataset(tiny_dataset)
  split = rolls.from_dataset(dataset, codec_lib.load("frames"), "test")
  assert result["same_data"] and not result["skipped"]
  assert result["pieces"] == len(split)
  assert result["frames"] == len(split.frames)
  assert result["notes"] == sum(row["notes"] for row in dataset.split("test"))
  names = [row["model"] for row in result["rows"]]
  assert names == [
    "frame LSTM",
    "note 1-gram",
    "per-key Markov chain",
    "n-gram of frames",
  ]
  figures = [row["figures"]["b"]["mean"] for row in result["rows"]]
  for gain, figure in zip(result["gains"], figures[1:], strict=True):
    value, low, high = gain["nats_per_frame"]
    assert value == pytest.approx(figure - figures[0])
    assert low <= value <= high
  low, high = result["rows"][0]["interval"]
  assert low <= figures[0] <= high
  text = frame_run.markdown(result)
  assert f"split test: {len(split)} pieces, {len(split.frames)} frames" in text
  assert "keys are silent or sounding" in text
  assert text.count("\n| ") == 6 and text.count("\ngain over ") == 3
  for rule in frame_rules.RULES:
    assert f"| ({rule}) |" in text


def test_held_keys_cost_more_and_baselines_may_be_left_out(
  loaded: checkpoints.Checkpoint,
) -> None:
  config = loaded.meta["config"]
  told = config | {"frames": config["frames"] | {"articulation": True}}
  both = [
    frame_run.evaluate(
      loaded.params, loaded.meta | {"config": each}, "valid", "", False
    )
    for each in (config, told)
  ]
  assert [len(each["rows"]) for each in both] == [1, 1]
  assert [each["gains"] for each in both] == [[], []]
  plain, held = (each["rows"][0]["figures"]["b"]["mean"] for each in both)
  assert held > plain
  assert both[1]["scored"] == "silent, struck or held"


def test_other_data_are_read_on_the_grid_of_the_model(
  loaded: checkpoints.Checkpoint,
) -> None:
  config = loaded.meta["config"]
  on_quarters = {
    "config": config | {"data": config["data"] | {"steps_per_beat": 1}},
    "vocabulary_hash": codec_lib.of("frames", 1).vocabulary_hash,
    "data_fingerprint": "another",
  }
  params = loaded.params
  coarse = frame_run.evaluate(params, on_quarters, "test", "", False)
  fine = frame_run.evaluate(params, loaded.meta, "test", "", False)
  assert not coarse["same_data"]
  # What begins on the last eighth is heard on the quarter after it.
  assert fine["frames"] == 24 * 6 and coarse["frames"] == 13 * 6
  assert coarse["seconds_per_frame"] == 0.5


def test_a_benchmark_file_is_read_as_it_is(
  loaded: checkpoints.Checkpoint, tmp_path: pathlib.Path
) -> None:
  toy_rolls.write_npz(tmp_path / "toy.npz")
  splits = rolls.read_npz(tmp_path / "toy.npz")
  trained_on = {"data_fingerprint": frame_sets.fingerprint(splits)}
  result = frame_run.evaluate(
    loaded.params,
    loaded.meta | trained_on,
    "test",
    str(tmp_path / "toy.npz"),
    False,
  )
  assert result["same_data"]
  assert result["frames"] == len(splits["test"].frames)


def test_a_gain_is_paired() -> None:
  rng = np.random.default_rng(0)
  lengths = np.array([5, 9, 4])
  worse = rng.random(18)
  gain = frame_run.gain("x", worse - 0.5, worse, lengths)
  np.testing.assert_allclose(gain["nats_per_frame"], [0.5] * 3)
