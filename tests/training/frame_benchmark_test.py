"""The benchmark with training replaced by a formula: what is trained, kept,
refused and printed."""

import dataclasses
import json
import pathlib

import numpy as np
import pytest

from musegen_jax import config as config_lib
from musegen_jax.data import frame_sets
from musegen_jax.data.codecs import codec as codec_lib
from musegen_jax.data.frames import Rolls
from musegen_jax.errors import UserError
from musegen_jax.evaluation import frame_rules
from musegen_jax.evaluation.frame_published import SETS
from musegen_jax.training import (
  checkpoints,
  frame_benchmark,
  frame_seeds,
  frame_sources,
)
from tests import toy_rolls

CODEC = codec_lib.of("frames", 2)


def study() -> config_lib.Config:
  config = config_lib.Config()
  config.model.kind, config.data.codec = "frames", "frames"
  config.data.steps_per_beat = 2
  return config


@pytest.fixture
def source(tmp_path: pathlib.Path) -> frame_sources.Source:
  toy_rolls.write_npz(tmp_path / "toy.npz")
  return frame_sources.read("toy", tmp_path / "toy.npz", CODEC, False)


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[list[int]]:
  """Replaces training; the seeds of each call."""
  made = []

  def train(
    config: config_lib.Config,
    splits: dict[str, Rolls],
    seeds: list[int],
    log: object,
    heard: object,
  ) -> frame_seeds.Trained:
    made.append(list(seeds))
    results = [
      frame_seeds.SeedResult(
        seed,
        best_step=10 + seed,
        valid=2.0 + seed,
        nll={
          split: np.full(len(splits[split].frames), 2.0 + seed)
          for split in ("valid", "test")
        },
        params={"out": {"kernel": np.full((2, 3), seed, np.float32)}},
      )
      for seed in seeds
    ]
    values = [float(seed) for seed in seeds]
    curve = [{"step": 1, "seconds": 1.0, "train": values, "valid": values}]
    return frame_seeds.Trained(results, curve, 99, 6.0)

  monkeypatch.setattr(frame_seeds, "train", train)
  return made


def run(
  source: frame_sources.Source,
  folder: pathlib.Path,
  seeds: int,
  at_once: int = 2,
  config: config_lib.Config | None = None,
) -> dict:
  studies = {"study": {source.name: config or study()}}
  plan = frame_benchmark.Plan(studies, range(seeds), at_once, folder)
  return frame_benchmark.run([source], plan, lambda line: None)


def test_rows_over_seeds_and_ensemble(
  source: frame_sources.Source, calls: list, tmp_path: pathlib.Path
) -> None:
  result = run(source, tmp_path / "out", 3)
  assert calls == [[0, 1], [2]]
  assert json.loads(
    (tmp_path / "out/benchmark.json").read_text()
  ) == json.loads(json.dumps(result))
  [*counts, ours, ensemble] = result["sets"][0]["rows"]
  assert [row["kind"] for row in counts] == ["baseline"] * 3
  for rule in frame_rules.RULES:
    assert ours["figures"][rule]["mean"] == pytest.approx(3.0)
    assert ours["figures"][rule]["sd"] == pytest.approx(1.0)
  assert ours["valid"] == [2.0, 3.0, 4.0] and ours["steps"] == [10, 11, 12]
  # 6 seconds a call, of two seeds and of one.
  assert ours["seconds"] == pytest.approx(12.0)
  mixed = -np.log(np.exp([-2.0, -3.0, -4.0]).mean())
  assert ensemble["figures"]["b"]["mean"] == pytest.approx(mixed)
  assert ensemble["model"] == "study, ensemble of 3"
  assert ensemble["parameters"] == 3 * 99
  assert result["published"] == []
  for name in ("benchmark.md", "benchmark.png"):
    assert (tmp_path / "out" / name).stat().st_size > 0


def test_finished_seeds_are_read_not_trained(
  source: frame_sources.Source, calls: list, tmp_path: pathlib.Path
) -> None:
  first = run(source, tmp_path / "out", 2)
  assert run(source, tmp_path / "out", 2) == first
  assert calls == [[0, 1]]
  (tmp_path / "out/study-toy/seed1/result.json").unlink()
  wider = run(source, tmp_path / "out", 3)
  assert calls == [[0, 1], [1, 2]]
  row = wider["sets"][0]["rows"][3]
  assert row["figures"]["b"]["seeds"] == [2.0, 3.0, 4.0]


def test_data_may_move_but_not_change(
  source: frame_sources.Source, calls: list, tmp_path: pathlib.Path
) -> None:
  run(source, tmp_path / "out", 1)
  moved = dataclasses.replace(source, path=tmp_path / "moved.npz")
  run(moved, tmp_path / "out", 1)
  assert len(calls) == 1
  toy_rolls.write_npz(tmp_path / "other.npz", seed=1)
  other = frame_sources.read("toy", tmp_path / "other.npz", CODEC, False)
  with pytest.raises(UserError, match="data_fingerprint: .*--output_dir"):
    run(other, tmp_path / "out", 1)


def test_other_settings_are_refused(
  source: frame_sources.Source, calls: list, tmp_path: pathlib.Path
) -> None:
  run(source, tmp_path / "out", 1)
  config = study()
  config.train.steps = 7
  with pytest.raises(UserError, match="config.train.steps: 2000 -> 7"):
    run(source, tmp_path / "out", 1, config=config)


def test_damage_is_one_line(
  source: frame_sources.Source, calls: list, tmp_path: pathlib.Path
) -> None:
  run(source, tmp_path / "out", 1)
  path = tmp_path / "out/study-toy/seed0/nll.npz"
  path.write_bytes(path.read_bytes()[:100])
  with pytest.raises(UserError, match="seed0 is damaged: remove it"):
    run(source, tmp_path / "out", 1)


def test_picked_parameters_are_a_checkpoint(
  source: frame_sources.Source, calls: list, tmp_path: pathlib.Path
) -> None:
  run(source, tmp_path / "out", 2)
  loaded = checkpoints.load(tmp_path / "out/study-toy/seed1")
  assert loaded.step == 11
  assert (np.asarray(loaded.params["out"]["kernel"]) == 1).all()
  assert config_lib.from_dict(loaded.meta["config"]).data.data_dir == str(
    source.path
  )
  assert loaded.meta["vocabulary_hash"] == CODEC.vocabulary_hash
  assert loaded.meta["data_fingerprint"] == source.fingerprint


def test_published_sets_bring_what_is_in_print(
  shared_data: pathlib.Path, tmp_path: pathlib.Path
) -> None:
  name, path = frame_sources.locate("jsb", str(shared_data / "benchmark"))
  source = frame_sources.read(name, path, CODEC, False)
  plan = frame_benchmark.Plan({}, range(5), 5, tmp_path / "out")
  result = frame_benchmark.run([source], plan, print)
  assert len(result["sets"][0]["rows"]) == 3
  assert all(list(row["figures"]) == ["jsb"] for row in result["published"])
  text = (tmp_path / "out/benchmark.md").read_text()
  assert "reads 11.060 under rule (a)" in text and "| RRU | 7.72 |" in text


def test_fingerprints_tell_data_apart(source: frame_sources.Source) -> None:
  changed = dict(source.splits)
  frames = changed["test"].frames.copy()
  frames[-1, -1] ^= 1
  changed["test"] = dataclasses.replace(changed["test"], frames=frames)
  assert frame_sets.fingerprint(changed) != source.fingerprint
  assert frame_sets.fingerprint(source.splits) == source.fingerprint


def test_shards_are_read_on_their_grid(
  tiny_dataset: pathlib.Path, tmp_path: pathlib.Path
) -> None:
  coarse, fine = (
    frame_sources.read("tiny", tiny_dataset, codec_lib.of("frames", n), True)
    for n in (2, 4)
  )
  assert coarse.fingerprint == fine.fingerprint
  assert len(fine.splits["train"].frames) > len(coarse.splits["train"].frames)
  plan = frame_benchmark.Plan({}, range(1), 1, tmp_path / "out")
  [one] = frame_benchmark.run([fine], plan, print)["sets"]
  assert one["scored"] == "silent, struck or held"
  assert one["self_test"].startswith("No self-test")
  assert one["splits"]["test"]["pieces"] == len(fine.splits["test"])


def test_data_are_located(tmp_path: pathlib.Path) -> None:
  (tmp_path / SETS["jsb"].file).write_bytes(b"")
  (tmp_path / "jsb").mkdir()
  found = frame_sources.locate("jsb", str(tmp_path))
  assert found == ("jsb", tmp_path / SETS["jsb"].file)
  own = frame_sources.locate(str(tmp_path / "jsb"), str(tmp_path))
  assert own == ("jsb-own", tmp_path / "jsb")
  with pytest.raises(UserError, match="Nottingham.npz does not exist"):
    frame_sources.locate("nottingham", str(tmp_path))
  with pytest.raises(UserError, match="--data=nottingam is neither"):
    frame_sources.locate("nottingam", str(tmp_path))
