"""Random search: addressed draws, validation alone, resumed trial by trial."""

import dataclasses
import json
import pathlib

import numpy as np
import pytest

from musegen_jax import config as config_lib
from musegen_jax.data.frames import Rolls
from musegen_jax.errors import UserError
from musegen_jax.training import frame_search, frame_seeds
from tests import toy_rolls

SPACE = {
  "model.dropout": [0.1, 0.2, 0.4],
  "frames.key_size": [8, 16],
  "optimizer.learning_rate": [1e-3, 3e-3],
}
TRAIN, VALID = (
  toy_rolls.random(name, seed=0, pieces=2) for name in ("train", "valid")
)


def study() -> config_lib.Config:
  config = config_lib.Config()
  config.model.kind, config.data.codec = "frames", "frames"
  config.train.seed = 5
  return config


def search(folder: pathlib.Path, trials: int, **changes: object) -> dict:
  settings = frame_search.Search(study(), SPACE, trials, 0, folder)
  settings = dataclasses.replace(settings, **changes)
  return frame_search.run(settings, TRAIN, VALID, lambda line: None)


@pytest.fixture
def trained(monkeypatch: pytest.MonkeyPatch) -> list[config_lib.Config]:
  """Replaces training by a formula; the configs that were trained."""
  configs = []

  def train(
    config: config_lib.Config,
    splits: dict[str, Rolls],
    seeds: list[int],
    log: object,
  ) -> frame_seeds.Trained:
    assert splits == {"train": TRAIN, "valid": VALID} and seeds == [5]
    configs.append(config)
    if config.model.dropout == 0.4:
      raise UserError("the loss is nan")
    valid = config.model.dropout + config.frames.key_size
    one = frame_seeds.SeedResult(5, 30, valid, {"valid": np.ones(3)}, {})
    return frame_seeds.Trained([one], [], 1234, 2.0)

  monkeypatch.setattr(frame_seeds, "train", train)
  return configs


def test_draws_are_addressed_and_never_the_same() -> None:
  every = frame_search.draws(SPACE, 0, 12)
  assert frame_search.draws(SPACE, 0, 5) == every[:5]
  assert len({tuple(draw.items()) for draw in every}) == 12
  assert frame_search.draws(SPACE, 1, 5) != every[:5]


def test_more_trials_than_settings_is_one_line() -> None:
  with pytest.raises(UserError, match="--trials=13, but the space has 12"):
    frame_search.draws(SPACE, 0, 13)
  with pytest.raises(UserError, match="the space has 1 settings"):
    frame_search.draws({"model.dropout": [0.1, 0.1]}, 0, 2)


@pytest.mark.parametrize(
  ("draw", "says"),
  [
    ({"model.droput": 0.1}, "model.droput"),
    ({"nothing.dropout": 0.1}, "nothing.dropout"),
    ({"model.layers": 1.5}, "1.5, which does not fit config.model.layers"),
    ({"frames.head": 3}, "frames.head"),
    ({"model.dropout": 1.0}, "not in"),
  ],
)
def test_a_space_must_fit_the_config(draw: dict, says: str) -> None:
  with pytest.raises(UserError, match=says):
    frame_search.apply(study(), draw)


def test_draws_are_set_in_a_copy() -> None:
  config = study()
  changed = frame_search.apply(
    config, {"optimizer.clip_norm": 2, "frames.head": "nade"}
  )
  assert changed.optimizer.clip_norm == 2.0 and changed.frames.head == "nade"
  assert type(changed.optimizer.clip_norm) is float
  assert config == study()


def test_best_trial_comes_first_and_failures_last(
  trained: list, tmp_path: pathlib.Path
) -> None:
  result = search(tmp_path, 12)
  rows = result["trials"]
  assert rows == json.loads((tmp_path / "search.json").read_text())["trials"]
  best = rows[0]["draw"]
  assert (best["model.dropout"], best["frames.key_size"]) == (0.1, 8)
  assert [row["valid"] for row in rows[:8]] == sorted(
    row["valid"] for row in rows[:8]
  )
  assert [row["error"] for row in rows[8:]] == ["the loss is nan"] * 4
  text = (tmp_path / "search.md").read_text()
  assert "Best: `--config.model.dropout=0.1 --config.frames.key_size=8" in text
  assert text.count("the loss is nan") == 4


def test_search_goes_on_where_it_was(
  trained: list, tmp_path: pathlib.Path
) -> None:
  search(tmp_path, 3)
  assert len(trained) == 3
  (tmp_path / "trial-001.json").unlink()
  result = search(tmp_path, 4)
  assert len(trained) == 5
  assert sorted(row["trial"] for row in result["trials"]) == [0, 1, 2, 3]


def test_another_search_is_refused(
  trained: list, tmp_path: pathlib.Path
) -> None:
  search(tmp_path, 1)
  with pytest.raises(UserError, match="seed: 0 -> 1; give another --output"):
    search(tmp_path, 1, seed=1)
  with pytest.raises(UserError, match="space.model.dropout"):
    search(tmp_path, 1, space=SPACE | {"model.dropout": [0.1]})
  (tmp_path / "trial-000.json").write_text("{")
  with pytest.raises(UserError, match="trial-000.json is damaged"):
    search(tmp_path, 1)
