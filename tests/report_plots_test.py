import copy
import io
import pathlib
import xml.etree.ElementTree

import numpy as np
import pytest
from matplotlib.image import imread

from musegen_jax import plots, report_plots
from musegen_jax.errors import UserError
from tests.comparison import toy_report


def bar_panel(report: dict, key: str, table: int = 0) -> plots.Panel | None:
  return report_plots.bar_panel(
    report,
    report["tables"][table],
    next(c for c in report["tables"][table]["columns"] if c["key"] == key),
  )


def pixels(panel: plots.Panel) -> np.ndarray:
  png = imread(io.BytesIO(plots.sheet([panel], 1, "png")))
  return (png[:, :, :3] * 255).round().astype(int)


def of_colour(image: np.ndarray, colour: str) -> np.ndarray:
  levels = [int(colour[at : at + 2], 16) for at in (1, 3, 5)]
  return (np.abs(image - levels) < 3).all(-1)


def test_colours_tell_models_apart_and_others_by_role() -> None:
  names = tuple("abcdefgh")
  found = report_plots.colours(
    {
      "systems": [
        {"name": name, "role": role}
        for name, role in zip(
          names,
          ["reference", "control", "control"] + ["model"] * 5,
          strict=True,
        )
      ]
    }
  )
  assert found["a"] == report_plots.REFERENCE_COLOUR
  assert found["b"] == found["c"] == report_plots.CONTROL_COLOUR
  assert len(set(found.values())) == 7


def test_bars_are_as_long_as_their_values() -> None:
  report = toy_report.report()
  image = pixels(bar_panel(report, "one"))
  colour = report_plots.colours(report)
  widths = {
    name: of_colour(image, colour[name]).sum(1).max()
    for name in ("shuffled", "lstm", "vae")
  }
  # The control has 0.9, the model 0.6, the other none.
  assert widths["shuffled"] / widths["lstm"] == pytest.approx(1.5, rel=0.05)
  assert widths["vae"] < 5


def test_intervals_need_not_be_even() -> None:
  report = toy_report.report()
  bare = copy.deepcopy(report)
  for row in bare["tables"][0]["rows"]:
    if row["system"] == "lstm":
      row["cells"]["one"][1:] = [None, None]
  image, without = (pixels(bar_panel(r, "one")) for r in (report, bare))
  _, columns = np.nonzero((image != without).any(-1))
  orange = of_colour(without, report_plots.MODEL_COLOURS[0])
  end = np.flatnonzero(orange.any(0)).max()
  scale = (end - np.flatnonzero(orange.any(0)).min()) / 0.6
  assert (end - columns.min()) / scale == pytest.approx(0.1, abs=0.02)
  assert (columns.max() - end) / scale == pytest.approx(0.1, abs=0.02)


def test_the_level_of_real_music_is_a_line() -> None:
  report = toy_report.report()
  table = report["tables"][0]
  assert report_plots.level_of_real(report, table, "one") == 0.5
  assert report_plots.level_of_real(report, table, "none") is None
  without = copy.deepcopy(report)
  without["systems"][0]["kind"] = "midi"
  with_line, bare = (pixels(bar_panel(r, "two")) for r in (report, without))
  _, columns = np.nonzero((with_line != bare).any(-1))
  assert 0 < np.ptp(columns) < 10


def test_columns_without_values_have_no_panel() -> None:
  report = toy_report.report()
  assert bar_panel(report, "none", table=1) is None
  for row in report["tables"][0]["rows"]:
    row["cells"]["one"] = [float("nan"), None, None]
  assert bar_panel(report, "one") is None


def test_curves_stand_against_what_is_known() -> None:
  report = toy_report.report()
  panels = report_plots.curve_panels(report)
  assert list(panels) == ["step", "seconds"]
  image = pixels(panels["step"])
  for colour in report_plots.MODEL_COLOURS[:2]:
    assert of_colour(image, colour).any()
  for part in ("train", "valid"):
    less = copy.deepcopy(report)
    for point in less["curves"]["runs"][0]["points"]:
      point[part] = None
    assert (image != pixels(report_plots.curve_panels(less)["step"])).any()
  report["curves"]["runs"][0]["points"] = []
  image = pixels(report_plots.curve_panels(report)["step"])
  assert not of_colour(image, report_plots.MODEL_COLOURS[0]).any()
  report["curves"]["runs"] = []
  assert report_plots.curve_panels(report) == {}


def test_similarity_is_bright_where_moments_are_alike() -> None:
  matrix = np.kron(np.eye(2), np.ones((300, 300)))
  image = pixels(report_plots.similarity_panel("x", matrix)).sum(-1)
  inside = image[image.shape[0] // 8 :, :]
  parts = [
    np.median(part)
    for half in np.array_split(inside, 2)
    for part in np.array_split(half, 2, axis=1)
  ]
  assert min(parts[0], parts[3]) > 500 > 100 > max(parts[1], parts[2])
  assert report_plots.similarity_panel("x", np.zeros((0, 0))) is None


def test_only_samples_of_the_report_are_read(tmp_path: pathlib.Path) -> None:
  report = toy_report.report()
  toy_report.write_samples(tmp_path, report)
  file = report["systems"][1]["files"][0]
  piece = report_plots.read_sample(tmp_path, file)
  expected = toy_report.piece(55).notes["pitch"]
  np.testing.assert_array_equal(piece.notes["pitch"], expected)
  inner = tmp_path / "inner"
  inner.mkdir()
  for name, says in ((f"../{file}", "outside"), ("gone", "cannot be read")):
    with pytest.raises(UserError, match=says):
      report_plots.read_sample(inner, name)


@pytest.mark.filterwarnings("error")
def test_every_picture_is_written(tmp_path: pathlib.Path) -> None:
  names = toy_report.HOSTILE[3:7]
  report = toy_report.report(names)
  toy_report.write_samples(tmp_path, report)
  report["systems"][3]["files"] = ["gone.mid"]
  report["systems"][2]["files"] = []
  report["tables"][1]["columns"] = report["tables"][1]["columns"][:1]
  pictures = toy_report.similarity(names)
  paths = report_plots.write_plots(report, pictures, tmp_path)
  assert sorted(paths) == sorted((tmp_path / "plots").iterdir())
  stems = [path.stem for path in paths[::2]]
  assert [stem.split("_")[0] for stem in stems] == [
    "bars",
    "bars",
    "curves",
    "similarity",
    "piano",
  ]
  assert {path.suffix for path in paths} == {".png", ".svg"}
  for path in paths[1::2]:
    xml.etree.ElementTree.parse(path)
