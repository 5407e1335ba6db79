import pathlib

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
