"""Turns, ratios and shares; what a report says of them."""

import json
import pathlib

import pytest

from musegen_jax.speed import report, table, timing
from musegen_jax.speed.sizes import Sizes

SETTINGS = timing.Settings(rounds=3, cores=2, platform="cpu")


def race() -> timing.Race:
  return timing.Race(
    "work",
    {"ours": [1.0, 2.0, 4.0], "peer": [3.0, 2.0, 2.0]},
    "ours",
    {"absent": "torch is missing"},
    tokens=10,
    flops=8e9,
    gemm=16e9,
    traffic=2.0,
    bandwidth=1.0,
    compile_seconds={"ours": 1.25},
  )


def test_everyone_has_a_turn_in_each_round() -> None:
  turns = []
  calls = {name: lambda name=name: turns.append(name) for name in "ab"}
  seconds = timing.take_turns(calls, SETTINGS)
  assert turns == list("aabb") + list("ab") * 3  # two unmeasured ones first
  assert [len(seconds[name]) for name in "ab"] == [3, 3]


def test_who_fails_is_left_out_with_a_reason() -> None:
  def fail() -> None:
    raise RuntimeError("out of memory: 9 GiB\nand a long story")

  calls = {"able": lambda: None, "greedy": fail}
  seconds, absent = timing.attempt(calls, SETTINGS)
  assert absent == {"greedy": "out of memory: 9 GiB"}
  assert list(seconds) == ["able"] and len(seconds["able"]) == 3


def test_peers_are_shown_where_ours_could_not_run() -> None:
  alone = timing.Race("work", {"peer": [3.0]}, "ours", {"ours": "no memory"})
  section = report.of_races("layer", "", [alone])
  peer, ours = section.lines
  assert peer[1:4] == ("peer", "3e+03 / 3e+03", "")
  assert ours[1:3] == ("ours", "not measured: no memory")
  assert section.figures[0]["time_over_ours"] == {}


def test_ratios_are_theirs_over_ours() -> None:
  found = race().ratios("peer")
  assert found == timing.Ratios(by_minimum=2.0, by_median=1.0, by_round=1.0)
  assert race().gemm_share("ours") == 0.5
  assert race().bandwidth_share("peer") == 1.0


def test_a_report_says_what_was_not_measured_and_why(
  tmp_path: pathlib.Path,
) -> None:
  section = report.of_races("layer", "About.", [race()], ("A note.",))
  lines = report.text(section).splitlines()
  cells = [line.strip("| ").split(" | ") for line in lines if "work |" in line]
  assert cells[1][:4] == ["work", "ours", "1e+03 / 2e+03", "ours"]
  assert cells[2][3:6] == ["2.00 / 1.00 / 1.00", "5", "25.0%"]
  assert "not measured: torch is missing" in lines[-3]
  report.write(tmp_path, {"device": "a processor"}, [section])
  whole = json.loads((tmp_path / "bench.json").read_text())
  [figures] = whole["layer"]
  assert whole["machine"] == {"device": "a processor"}
  assert figures["min_ms"] == {"ours": 1000.0, "peer": 2000.0}
  assert figures["time_over_ours"]["peer"]["by_minimum"] == 2.0
  assert figures["not_measured"] == {"absent": "torch is missing"}
  assert (tmp_path / "bench.md").read_text().endswith("A note.\n")


def test_counted_work_is_that_of_the_matrices() -> None:
  sizes = Sizes(layers=2, width=3, hidden_size=5, batch=7, steps=11)
  assert sizes.weights == 4 * 5 * (3 + 5) + 4 * 5 * (5 + 5)
  assert sizes.layer_flops() == 6 * sizes.weights * 77
  assert sizes.language_flops(13) == 6 * (sizes.weights + 5 * 13) * 77
  assert sizes.sampling_flops(13) * 3 == sizes.language_flops(13)


def test_a_table_keeps_the_rows_of_other_platforms(
  tmp_path: pathlib.Path,
) -> None:
  path = tmp_path / "table.json"
  other = {"platform": "gpu", "layers": 1}
  path.write_text(json.dumps([other, {"platform": "cpu", "layers": 9}]))
  table.write(SETTINGS, [Sizes(2, 4, 4, 2, 3)], path)
  kept, row = json.loads(path.read_text())
  assert kept == other
  assert (row["platform"], row["layers"], row["hidden_size"]) == ("cpu", 2, 4)
  times = row["milliseconds"]
  assert {"scan", "hoisted", "wavefront"} <= set(times)
  # Neither runs on a CPU.
  assert not {"cudnn", "pallas", "auto"} & set(times)
  assert all(time > 0 for time in times.values())


@pytest.mark.parametrize("platform", ["cpu", "gpu"])
def test_the_grid_has_every_number_of_layers(platform: str) -> None:
  assert {sizes.layers for sizes in table.grid(platform)} == {1, 2, 3}
