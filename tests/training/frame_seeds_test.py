"""Several seeds at once: each as if alone, and as the ordinary loop trains."""

import copy
import dataclasses
import pathlib

import jax
import numpy as np
import pytest

from musegen_jax import config as config_lib
from musegen_jax import config_rules
from musegen_jax.data import frames as rolls
from musegen_jax.data import shards
from musegen_jax.data.codecs import codec as codec_lib
from musegen_jax.data.frames import Rolls
from musegen_jax.errors import UserError
from musegen_jax.evaluation import frame_likelihood, frame_rules
from musegen_jax.models import frame_features, frames
from musegen_jax.training import checkpoints, frame_seeds, run
from tests import toy_rolls
from tests.models import toy_frames


@pytest.fixture(scope="module")
def config() -> config_lib.Config:
  """Both LSTMs on an octave, validated every third step of nine."""
  chosen = config_lib.Config()
  chosen.data = config_lib.Data(codec="frames", transpose_semitones=2)
  chosen.model = config_lib.Model(kind="frames", dropout=0.1)
  chosen.frames = config_lib.Frames(
    key_size=4, context_size=3, head_size=6, lowest_pitch=58, highest_pitch=69
  )
  chosen.optimizer.warmup_steps = 2
  chosen.optimizer.learning_rate = 0.02
  chosen.train = config_lib.Train(
    steps=9, batch_size=4, window=8, evaluate_every=3
  )
  config_rules.check(chosen)
  return chosen


@pytest.fixture(scope="module")
def splits() -> dict[str, Rolls]:
  """Random pieces in the lowest five keys from pitch 61."""
  return {
    name: toy_rolls.of_pieces(
      *(toy_frames.music(8 + seed, seed) for seed in seeds), split=name
    )
    for name, seeds in (
      ("train", range(8)),
      ("valid", range(8, 11)),
      ("test", range(11, 14)),
    )
  }


def quiet(line: str) -> None:
  del line


@pytest.fixture(scope="module")
def together(
  config: config_lib.Config, splits: dict[str, Rolls]
) -> frame_seeds.Trained:
  return frame_seeds.train(config, splits, [3, 5], quiet)


def test_two_seeds_at_once_are_each_as_if_alone(
  config: config_lib.Config,
  splits: dict[str, Rolls],
  together: frame_seeds.Trained,
) -> None:
  assert [one.seed for one in together.seeds] == [3, 5]
  for number, seed in enumerate((3, 5)):
    alone = frame_seeds.train(config, splits, [seed], quiet)
    for row, both in zip(alone.curve, together.curve, strict=True):
      assert row["step"] == both["step"]
      for name in ("train", "valid"):
        assert row[name] == pytest.approx([both[name][number]], rel=1e-4)
    ours, theirs = alone.seeds[0], together.seeds[number]
    assert ours.best_step == theirs.best_step
    for name, leaf in ours.params.items():
      np.testing.assert_allclose(
        theirs.params[name], leaf, rtol=1e-2, atol=1e-3, err_msg=name
      )
  first, second = together.curve[-1]["train"]
  assert abs(first - second) > 1e-3


def test_validation_picks_and_every_split_is_scored(
  config: config_lib.Config,
  splits: dict[str, Rolls],
  together: frame_seeds.Trained,
) -> None:
  assert [row["step"] for row in together.curve] == [3, 6, 9]
  model = frames.from_config(config)
  for number, one in enumerate(together.seeds):
    curve = [row["valid"][number] for row in together.curve]
    assert one.valid == min(curve)
    assert one.best_step == 3 * (1 + int(np.argmin(curve)))
    for name in ("valid", "test"):
      split = splits[name]
      heard = frame_features.of_rolls(split, model.low, model.keys, name)
      nll = frame_likelihood.score(model, one.params, heard, split.lengths)
      np.testing.assert_allclose(one.nll[name], nll, rtol=1e-5)
    averages = frame_rules.averages(one.nll["valid"], splits["valid"].lengths)
    assert averages["b"] == pytest.approx(one.valid, rel=1e-6)
  assert together.parameters == sum(
    leaf.size for leaf in together.seeds[0].params.values()
  )


def test_the_best_may_be_an_early_one(
  config: config_lib.Config, splits: dict[str, Rolls]
) -> None:
  wild = copy.deepcopy(config)
  wild.optimizer.learning_rate = 0.7
  wild.model.dropout = 0.0
  trained = frame_seeds.train(wild, splits, [0], quiet)
  curve = [row["valid"][0] for row in trained.curve]
  [one] = trained.seeds
  assert one.valid == min(curve) < curve[-1]
  assert one.best_step == trained.curve[int(np.argmin(curve))]["step"] < 9


def test_a_pattern_is_learnt(config: config_lib.Config) -> None:
  roll = np.zeros((24, 88), np.uint8)
  roll[::2, [40, 44]] = roll[1::2, [42, 47]] = 1
  split = toy_rolls.of_pieces(roll, roll)
  quick = copy.deepcopy(config)
  quick.train.steps, quick.train.evaluate_every = 60, 20
  lines = []
  trained = frame_seeds.train(
    quick, {"train": split, "valid": split}, [0], lines.append
  )
  curve = [row["train"][0] for row in trained.curve]
  assert curve == sorted(curve, reverse=True) and curve[0] > 4 * curve[-1]
  assert trained.seeds[0].valid < 0.5
  assert lines[0].startswith("step 20, epoch 20.0, ")
  assert trained.seeds[0].nll.keys() == {"valid"}


def test_a_loss_that_is_not_finite_is_one_line(
  config: config_lib.Config, splits: dict[str, Rolls]
) -> None:
  wild = copy.deepcopy(config)
  wild.optimizer.learning_rate = 1e38
  says = r"seed [35], step \d: the loss is nan; lower --config.optimizer"
  with pytest.raises(UserError, match=says):
    frame_seeds.train(wild, splits, [3, 5], quiet)


def test_a_last_step_that_diverges_is_one_line(
  config: config_lib.Config, splits: dict[str, Rolls]
) -> None:
  wild = copy.deepcopy(config)
  wild.optimizer.learning_rate, wild.optimizer.warmup_steps = 1e38, 0
  wild.train.steps = wild.train.evaluate_every = 1
  with pytest.raises(UserError, match="seed 3, step 0: the loss is"):
    frame_seeds.train(wild, splits, [3], quiet)


def test_the_ordinary_loop_trains_the_same(
  config: config_lib.Config, tiny_dataset: pathlib.Path, tmp_path: pathlib.Path
) -> None:
  ordinary = dataclasses.replace(
    config,
    data=dataclasses.replace(config.data, data_dir=str(tiny_dataset)),
    train=dataclasses.replace(
      config.train, seed=4, steps=4, evaluate_every=4, log_every=1
    ),
  )
  run.train(ordinary, tmp_path, "")
  dataset, codec = shards.open_dataset(tiny_dataset), codec_lib.load("frames")
  splits = {
    name: rolls.from_dataset(dataset, codec, name)
    for name in ("train", "valid")
  }
  trained = frame_seeds.train(ordinary, splits, [4], quiet)
  [one] = trained.seeds
  stored = checkpoints.load(tmp_path)
  assert one.valid == pytest.approx(
    stored.meta["progress"]["best_loss"], rel=1e-5
  )
  jax.tree.map(
    lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-3, atol=1e-5),
    one.params,
    dict(stored.params),
  )
