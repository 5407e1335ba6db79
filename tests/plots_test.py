import io
import pathlib
import xml.etree.ElementTree

import numpy as np
import pytest
from matplotlib.image import imread

from musegen_jax import plots
from musegen_jax.data import notes as notes_lib


def piece(seconds: float = 4.0, **columns: object) -> notes_lib.Piece:
  """Notes of half a second, the last ending after `seconds`."""
  starts = np.arange(0, round(seconds * 960), 480)
  columns = {"pitch": 60 + starts // 480 % 12} | columns
  durations = np.full(len(starts), 480)
  return notes_lib.Piece(
    480, notes_lib.make_notes(starts, durations, **columns)
  )


def coloured(image: np.ndarray) -> np.ndarray:
  """Where the picture is neither white nor grey [H, W]."""
  spread = image.max(-1).astype(int) - image.min(-1)
  return spread > 30


def test_notes_stand_where_they_sound() -> None:
  rising = coloured(plots.piano_roll_image(piece()))
  rows = np.arange(len(rising))[:, None]
  heights = [
    float((part * rows).sum() / part.sum())
    for part in np.array_split(rising[:, 60:], 8, axis=1)
  ]
  assert heights == sorted(heights, reverse=True)


def test_tracks_differ_and_drums_are_grey() -> None:
  plain = plots.piano_roll_image(piece())
  halves = np.arange(8) % 2
  tracks = plots.piano_roll_image(piece(track=halves))
  drums = plots.piano_roll_image(piece(is_drum=True))
  assert not np.array_equal(plain, tracks)
  assert not coloured(drums).any() and (drums < 200).any()
  assert coloured(plain).any()


def test_long_pieces_are_cut() -> None:
  full = plots.piano_roll_image(piece(plots.MAX_SECONDS))
  longer = piece(10 * plots.MAX_SECONDS)
  late = notes_lib.tick_seconds(longer, longer.notes["start_tick"])
  longer.notes["pitch"][late >= plots.MAX_SECONDS] = 127
  np.testing.assert_array_equal(full, plots.piano_roll_image(longer))


@pytest.mark.parametrize(
  "odd", [piece(0.5), piece(0.5, is_drum=True), piece(0.0)]
)
def test_small_pieces_are_drawn(odd: notes_lib.Piece) -> None:
  image = plots.piano_roll_image(odd)
  assert (image.dtype, image.ndim, image.shape[2]) == (np.uint8, 3, 3)


def test_files_are_png_and_repeat(tmp_path: pathlib.Path) -> None:
  for name in ("one.png", "two.png"):
    plots.piano_roll(piece(), tmp_path / name, "a $title_{ with no end")
  one, two = (tmp_path / name for name in ("one.png", "two.png"))
  assert one.read_bytes() == two.read_bytes()
  assert imread(one).shape[:2] == plots.piano_roll_image(piece()).shape[:2]
  assert len(list(tmp_path.iterdir())) == 2


def test_a_histogram_shows_its_bins(tmp_path: pathlib.Path) -> None:
  path = tmp_path / "h.png"
  counts = np.array([1, 9, 0])
  plots.histogram(counts, np.arange(4), path, title="t", x_label="x")
  columns = coloured((imread(path)[:, :, :3] * 255).astype(np.uint8)).sum(0)
  heights = columns[columns > 0]
  assert heights.max() > 5 * heights[: len(heights) // 3].min()


@pytest.mark.parametrize(
  "rows",
  [
    [],
    [{"step": 1, "lr": 0.1}],
    [{"step": s, "train/loss": 1 / s} for s in range(1, 9)]
    + [{"step": 8, "valid/loss": 0.5}],
  ],
)
def test_loss_curves_of_any_rows(
  tmp_path: pathlib.Path, rows: list[dict[str, float]]
) -> None:
  plots.loss_curve(rows, tmp_path / "loss.png")
  image = (imread(tmp_path / "loss.png")[:, :, :3] * 255).astype(np.uint8)
  assert coloured(image).any() == (len(rows) > 1)


def test_bars_lie_under_their_titles(tmp_path: pathlib.Path) -> None:
  def draw(name: str, *values: float, error: float | None = None) -> np.ndarray:
    panel = [plots.Bar(f"bar {v}", v, error, "ours") for v in values]
    plots.bars(
      {"one": panel, "two": panel[:1]},
      tmp_path / name,
      kinds=["ours", "theirs"],
      x_label="nats",
    )
    return (imread(tmp_path / name)[:, :, :3] * 255).astype(np.uint8)

  image = coloured(draw("a.png", 1.0, 2.0))
  widths = image[:, : image.shape[1] // 2].sum(1)
  begins = np.flatnonzero((widths[1:] > 0) & (widths[:-1] == 0))
  first, second, *legend = (widths[at + 3] for at in begins)
  assert second == pytest.approx(2 * first, rel=0.05) and len(legend) == 1
  assert not np.array_equal(
    draw("b.png", 1.0, 2.0), draw("c.png", 1.0, 2.0, error=0.5)
  )
  empty = draw("d.png")
  assert not coloured(empty).any()


def panel(title: str, values: tuple[float, ...] = (1.0, 2.0)) -> plots.Panel:
  def paint(axes: plots.Axes) -> None:
    axes.barh(range(len(values)), values, color="#ff0000")
    axes.set_xlabel(plots.label(title))

  return plots.Panel(title, (2.0, 1.0), paint)


def texts(svg: bytes) -> list[str]:
  root = xml.etree.ElementTree.fromstring(svg)
  return [node.text for node in root.iter() if node.tag.endswith("}text")]


def test_a_sheet_has_a_panel_a_title(tmp_path: pathlib.Path) -> None:
  panels = [panel("one"), panel("two", (1.0, 4.0)), panel("three")]
  png = imread(io.BytesIO(plots.sheet(panels, 2, "png")))
  assert png.shape[:2] == (300, 600)
  red = coloured((png[:, :, :3] * 255).astype(np.uint8))
  quarters = [
    red[rows, columns]
    for rows in (slice(150), slice(150, None))
    for columns in (slice(300), slice(300, None))
  ]
  assert [quarter.any() for quarter in quarters] == [True, True, True, False]
  shown = texts(plots.sheet(panels, 2, "svg"))
  assert {"one", "two", "three"} <= set(shown)


def test_an_svg_repeats_loads_nothing_and_follows_the_dark() -> None:
  svg = plots.sheet([panel("title")], 3, "svg")
  assert svg == plots.sheet([panel("title")], 3, "svg")
  root = xml.etree.ElementTree.fromstring(svg)
  for node in root.iter():
    assert not node.tag.endswith(("}script", "}a"))
    for name, value in node.attrib.items():
      if name.endswith("href"):
        assert value.startswith(("#", "data:"))
  style = next(node.text for node in root.iter() if node.tag.endswith("}style"))
  rule = f'[style*="fill: {plots.INK}"]'
  assert "prefers-color-scheme: dark" in style and rule in style
  assert f"fill: {plots.INK}".encode() in svg


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize(
  "name",
  [
    "$x_{$ with no end",
    "</text><script>alert(1)</script>",
    "\x00\x1b[0m\ud800\ufffe\u202e",
    "\u65e5\u672c \u05e9\u05dc",
    '_hidden & "quoted"',
    "W" * 300,
  ],
)
def test_a_sheet_takes_any_name(name: str) -> None:
  short = plots.label(name)
  assert len(short) <= 22
  svg = plots.sheet([panel(plots.label(name))], 1, "svg")
  assert texts(svg).count(short) == 2
  plots.sheet([panel(plots.label(name))], 1, "png")


def test_short_numbers() -> None:
  assert [plots.short_number(v) for v in (0.25, 1500, -2e6, 3e9)] == [
    "0.25",
    "1.5k",
    "-2M",
    "3G",
  ]
  assert plots.label("abcdefghij", 5) == "ab…ij"
