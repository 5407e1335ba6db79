import pathlib

import pytest

from musegen_jax.data import midi, shards
from tests.data_prep.building import build, contents, outcomes, splits_of, tune


def test_every_file_has_a_row(
  folder: pathlib.Path, tmp_path: pathlib.Path
) -> None:
  build(folder, tmp_path / "out")
  rows = outcomes(tmp_path / "out")
  assert list(rows) == sorted(rows)
  assert len(rows) == 16
  kept = {path for path, row in rows.items() if row["outcome"] == "kept"}
  assert kept == splits_of(tmp_path / "out").keys()
  assert len(kept) == 12
  rejected = {"page.rmi": "not_midi", "empty.mid": "not_midi"}
  for path, reason in (rejected | {"tune03.mid": "duplicate"}).items():
    assert (rows[path]["outcome"], rows[path]["reason"]) == ("rejected", reason)
  assert rows["tune03.mid"]["detail"] == "deep/copy.MIDI"
  pair = {"tune05.mid", "deep/higher.kar"}
  (lost,) = pair - kept
  assert {lost, rows[lost]["detail"]} == pair


def test_workers_and_tasks_make_the_same_bytes(
  folder: pathlib.Path, tmp_path: pathlib.Path
) -> None:
  for name in ("one", "two", "array"):
    if name == "array":
      for index in (2, 0, 1):
        assert not (tmp_path / name / shards.INDEX).exists()
        build(folder, tmp_path / name, task_index=index, num_tasks=3)
    else:
      build(folder, tmp_path / name, workers=1 + (name == "two"))
  one = contents(tmp_path / "one")
  assert one == contents(tmp_path / "two") == contents(tmp_path / "array")
  build(folder, tmp_path / "one")
  assert one == contents(tmp_path / "one")


def test_done_shards_are_not_read_again(
  folder: pathlib.Path, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
  build(folder, tmp_path / "out")
  monkeypatch.setattr(midi, "read_midi", None)
  build(folder, tmp_path / "out")


def test_a_damaged_shard_is_built_again(
  folder: pathlib.Path, tmp_path: pathlib.Path
) -> None:
  build(folder, tmp_path / "out")
  before = contents(tmp_path / "out")
  notes = tmp_path / "out" / shards.shard_name(1, 4) / "notes.npy"
  notes.write_bytes(notes.read_bytes()[:-1] + b"!")
  build(folder, tmp_path / "out")
  assert contents(tmp_path / "out") == before


def test_duplicates_may_stay_in_one_split(
  folder: pathlib.Path, tmp_path: pathlib.Path
) -> None:
  for shift in range(1, 6):
    (folder / f"tune00+{shift}.mid").write_bytes(tune(0, shift))
  build(folder, tmp_path / "out", keep_duplicates=True, valid_fraction=0.4)
  kept = splits_of(tmp_path / "out")
  assert len({kept[path] for path in kept if "tune00" in path}) == 1
  assert len(kept) == 12 + 1 + 5
  assert set(kept.values()) == set(shards.SPLITS)


def test_families_share_a_split(
  folder: pathlib.Path, tmp_path: pathlib.Path
) -> None:
  titles = ["The Rose", "Rose, the", "Lily"] * 4
  lines = [f'tune{n:02d}.mid,reel,,"{t}"' for n, t in enumerate(titles)]
  (folder / "labels.csv").write_text(
    "\n".join(["path,genre,composer,title", *lines])
  )
  for seed in range(4):
    build(folder, tmp_path / f"out{seed}", seed=seed, valid_fraction=0.4)
    dataset = shards.open_dataset(tmp_path / f"out{seed}")
    found: dict[bool, set[str]] = {}
    for row in dataset.rows:
      if row["title"]:
        family = "rose" in row["title"].casefold()
        found.setdefault(family, set()).add(row["split"])
    assert [len(names) for names in found.values()] == [1, 1]
    assert "reel" in dataset.index["labels"]
