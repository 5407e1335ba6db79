"""Whole comparisons of tiny runs: what is written, twice the same, refusals."""

import dataclasses
import json
import pathlib
import shutil
from collections.abc import Iterator

import pytest

from musegen_jax.comparison import (
  likeness,
  page_charts,
  pairs,
  run,
  spread,
  variety,
)
from musegen_jax.comparison.systems import Named
from musegen_jax.errors import UserError
from musegen_jax.evaluation import permutation
from tests.comparison import tunes
from tests.comparison.conftest import Runs

REAL_NAME = 'other <b>"&|'


def settings(runs: Runs, folder: pathlib.Path) -> run.Settings:
  named = [Named("lstm", runs.lstm), *(Named("vae", path) for path in runs.vae)]
  return run.Settings(
    runs=tuple(named),
    folders=(Named(REAL_NAME, folder),),
    data_dir="",
    num=12,
    seed=0,
    seconds=8.0,
    bound_samples=16,
    title="tiny",
  )


@pytest.fixture(scope="module", autouse=True)
def _few_resamples() -> Iterator[None]:
  with pytest.MonkeyPatch.context() as patch:
    patch.setattr(permutation, "PERMUTATIONS", 200)
    for module in (likeness, spread, variety, pairs):
      patch.setattr(module, "RESAMPLES", 10)
    patch.setattr(page_charts, "MAX_CHARTS", 4)
    yield


@pytest.fixture(scope="module")
def midi(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
  folder = tmp_path_factory.mktemp("elsewhere") / "midi"
  tunes.write(folder, 12)
  (folder / "broken.mid").write_bytes(b"MThd nonsense")
  return folder


@pytest.fixture(scope="module")
def report(
  runs: Runs, midi: pathlib.Path, tmp_path_factory: pytest.TempPathFactory
) -> pathlib.Path:
  folder = tmp_path_factory.mktemp("report")
  run.compare(settings(runs, midi), folder, overwrite=False, plots=False)
  return folder


def cells(report: dict, table: str) -> dict[str, dict]:
  [found] = [each for each in report["tables"] if each["id"] == table]
  return {row["system"]: row["cells"] for row in found["rows"]}


def test_two_runs_write_the_same_bytes(
  report: pathlib.Path, runs: Runs, midi: pathlib.Path
) -> None:
  before = {
    path.relative_to(report): path.read_bytes()
    for path in sorted(report.rglob("*"))
    if path.suffix in (".json", ".mid")
  }
  assert len(before) > 12 * 7
  run.compare(settings(runs, midi), report, overwrite=False, plots=False)
  for path, content in before.items():
    assert (report / path).read_bytes() == content, path


def test_every_system_stands_in_every_table(report: pathlib.Path) -> None:
  found = json.loads((report / "report.json").read_text())
  names = ["real", "lstm", "vae", REAL_NAME, "n-gram", "copy", "shuffled"]
  names.append("shuffled bars")
  assert [system["name"] for system in found["systems"]] == names
  for table in ("overview", "likeness", "statistics", "coherence", "novelty"):
    assert list(cells(found, table)) == names
  seeds = {system["name"]: system["seeds"] for system in found["systems"]}
  assert seeds["vae"] == 2 and seeds["lstm"] == 1
  for system in found["systems"]:
    assert system["samples"] == 12 * system["seeds"]
    for file in system["files"]:
      assert (report / file).is_file()
  accuracy = cells(found, "accuracy")
  assert accuracy["lstm"]["next_event"] and not accuracy["vae"]["next_event"]
  assert (
    accuracy["vae"]["free_running"] and not accuracy["lstm"]["free_running"]
  )
  assert accuracy["first half again"]["continuation"][0] > 0.5
  assert cells(found, "training")["lstm"]["steps"][0] == 4
  assert {test["first"] for test in found["comparisons"]} >= {"lstm", "vae"}


def test_controls_are_caught(report: pathlib.Path) -> None:
  found = json.loads((report / "report.json").read_text())
  novelty, statistics = cells(found, "novelty"), cells(found, "statistics")
  assert novelty["copy"]["run_notes"][0] > novelty["real"]["run_notes"][0]
  steps = {name: row["mean_interval"][0] for name, row in statistics.items()}
  assert steps["shuffled"] > steps["real"]
  # The folder holds training and test tunes as they are.
  assert novelty[REAL_NAME]["distance"][0] < novelty["shuffled"]["distance"][0]


def test_all_three_files_name_every_system(report: pathlib.Path) -> None:
  markdown = (report / "report.md").read_text()
  page = (report / "report.html").read_text()
  for table in json.loads((report / "report.json").read_text())["tables"]:
    assert f"## {table['title']}" in markdown
    assert table["title"] in page
  assert "<b>" not in markdown.replace("\\<b\\>", "")
  assert REAL_NAME not in page


def test_broken_files_are_counted(report: pathlib.Path) -> None:
  found = json.loads((report / "report.json").read_text())
  [other] = [s for s in found["systems"] if s["name"] == REAL_NAME]
  assert "not_midi: 1" in other["description"]


def test_another_report_is_not_replaced(
  report: pathlib.Path, runs: Runs, midi: pathlib.Path
) -> None:
  other = dataclasses.replace(settings(runs, midi), seed=1)
  with pytest.raises(UserError, match="seed: 0 -> 1; add --overwrite"):
    run.compare(other, report, overwrite=False, plots=False)


def test_a_folder_with_samples_alone_is_refused(
  runs: Runs, midi: pathlib.Path, tmp_path: pathlib.Path
) -> None:
  kept = tmp_path / "samples" / "mine.mid"
  kept.parent.mkdir()
  kept.write_bytes(b"")
  with pytest.raises(UserError, match="samples without a report"):
    run.compare(settings(runs, midi), tmp_path, overwrite=False, plots=False)
  assert kept.exists()


@pytest.mark.parametrize(
  ("change", "says"),
  [
    ({"runs": ()}, "names no run"),
    ({"bound_samples": 20}, "no multiple of 16"),
    ({"folders": (Named("lstm", pathlib.Path("x")),)}, "two systems"),
    ({"folders": (Named("x", pathlib.Path("gone")),)}, "gone is no folder"),
  ],
)
def test_what_cannot_be_compared_is_named(
  runs: Runs,
  midi: pathlib.Path,
  tmp_path: pathlib.Path,
  change: dict,
  says: str,
) -> None:
  other = dataclasses.replace(settings(runs, midi), **change)
  with pytest.raises(UserError, match=says):
    run.compare(other, tmp_path / "r", overwrite=False, plots=False)
  assert not (tmp_path / "r" / "report.json").exists()


def test_a_run_on_other_data_is_refused(
  runs: Runs,
  midi: pathlib.Path,
  tiny_dataset: pathlib.Path,
  tmp_path: pathlib.Path,
) -> None:
  other = dataclasses.replace(settings(runs, midi), data_dir=str(tiny_dataset))
  with pytest.raises(UserError, match=r"other data .* --midi_dir=lstm:FOLDER"):
    run.compare(other, tmp_path, overwrite=False, plots=False)


def test_a_run_without_checkpoint_is_named(
  runs: Runs, midi: pathlib.Path, tmp_path: pathlib.Path
) -> None:
  empty = tmp_path / "empty"
  shutil.copytree(runs.lstm, empty, ignore=lambda *_: ["checkpoints"])
  named = (Named("empty", empty),)
  other = dataclasses.replace(settings(runs, midi), runs=named)
  with pytest.raises(UserError, match="no checkpoint at"):
    run.compare(other, tmp_path / "r", overwrite=False, plots=False)
