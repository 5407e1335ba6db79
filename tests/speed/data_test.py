"""Gathering and opening, measured on a data set."""

import pathlib

import pytest

from musegen_jax import config as config_lib
from musegen_jax.data import token_cache
from musegen_jax.speed import data, timing

SETTINGS = timing.Settings(rounds=1, cores=1, platform="cpu")


def tiny(data_dir: pathlib.Path) -> dict[str, config_lib.Config]:
  study = config_lib.Config()
  study.data.data_dir = str(data_dir)
  study.model.embedding_size, study.model.hidden_size = 6, 8
  study.train.batch_size, study.train.window = 4, 16
  return {"pieces": study}


def test_gathering_stands_beside_the_step_it_feeds(
  tiny_dataset: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
  monkeypatch.setattr(data, "studies", tiny)
  before = sorted(tiny_dataset.rglob("*"))
  section = data.run(SETTINGS, tiny_dataset)
  assert sorted(tiny_dataset.rglob("*")) == before  # it works on a copy
  batch, opened = section.figures
  assert batch["tokens"] == 4 * 16
  gather, step = batch["gather_min_ms"], batch["step_min_ms"]
  assert batch["share_of_step"] == pytest.approx(gather / step)
  # At 5 Mtok/s a step of 64 tokens would take 12.8 us.
  at_speed = batch["share_at_gpu_speed"]["5 Mtok/s"]
  assert at_speed == pytest.approx(gather / 12.8e-3)
  assert opened["cached_min_seconds"] < opened["cold_min_seconds"]


def test_a_copy_leaves_kept_tokens_behind(tmp_path: pathlib.Path) -> None:
  kept = tmp_path / "shards" / token_cache.FOLDER
  kept.mkdir(parents=True)
  (kept.parent / "index.json").write_text("{}")
  data.copy_shards(kept.parent, tmp_path / "copy")
  assert [p.name for p in (tmp_path / "copy").iterdir()] == ["index.json"]
