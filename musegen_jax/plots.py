"""Pictures in one style: piano-rolls, histograms, bars, the loss curve, and
sheets of panels.

Figures are made as objects and drawn by Agg: no window, no global state, and
the same picture gives the same bytes.
"""

import dataclasses
import io
import itertools
import pathlib
import re
import unicodedata
import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Literal

import numpy as np
from matplotlib import colormaps, rc_context
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from musegen_jax import atomic
from musegen_jax.data import notes as notes_lib

MAX_SECONDS = 60.0
_INCHES = (9.0, 4.0)
_DOTS_PER_INCH = 100
_DRUM_COLOUR = (0.35, 0.35, 0.35)
_COLOURS = colormaps["tab10"].colors
_BAR_INCHES = 0.22
_PANEL_INCHES = 6.0
INK = "#22272c"  # Of all text and lines of a sheet; becomes light in the dark.
_SHEET_STYLE = {
  "axes.edgecolor": INK,
  "axes.labelcolor": INK,
  "axes.spines.right": False,
  "axes.spines.top": False,
  "axes.titlesize": 8,
  "font.size": 8,
  "svg.fonttype": "none",
  "svg.hashsalt": "musegen_jax",
  "text.color": INK,
  "text.parse_math": False,
  "xtick.color": INK,
  "ytick.color": INK,
}
_IN_THE_DARK = "".join(
  f'[style*="{part}: {INK}"]{{{part}:#d9dee3!important}}'
  for part in ("fill", "stroke")
)


@dataclasses.dataclass(frozen=True)
class Bar:
  """One bar of `bars`.

  Attributes:
    label: what it is of.
    value: its length.
    error: half the length of its error bar, or None.
    kind: bars of one kind share a colour and a line of the legend.
  """

  label: str
  value: float
  error: float | None
  kind: str


@dataclasses.dataclass(frozen=True)
class Panel:
  """One picture of a `sheet`.

  Attributes:
    title: stands above it.
    inches: its width and height.
    paint: draws it.
  """

  title: str
  inches: tuple[float, float]
  paint: Callable[[Axes], None]


def sheet(
  panels: Sequence[Panel], columns: int, form: Literal["png", "svg"]
) -> bytes:
  """Draws at least one panel row by row into a picture.

  An SVG has no background, keeps text as text, loads nothing and follows the
  viewer's dark mode. The same panels give the same bytes.
  """
  columns = min(columns, len(panels))
  rows = -(-len(panels) // columns)
  width, height = (max(panel.inches[i] for panel in panels) for i in (0, 1))
  with rc_context(_SHEET_STYLE), warnings.catch_warnings():
    # Names may be in any script, the fonts know a few.
    warnings.filterwarnings("ignore", message="Glyph")
    figure = Figure((width * columns, height * rows), layout="constrained")
    for number, panel in enumerate(panels):
      axes = figure.add_subplot(rows, columns, number + 1)
      axes.set_title(panel.title)
      panel.paint(axes)
    out = io.BytesIO()
    # A date or the library's version in it would change the file.
    if form == "png":
      figure.savefig(out, dpi=150, metadata={"Software": None})
      return out.getvalue()
    metadata = {"Creator": None, "Date": None}
    figure.savefig(out, format="svg", transparent=True, metadata=metadata)
  text = out.getvalue().decode()
  text = re.sub(r"'DejaVu Sans'[^;\"]*", "system-ui, sans-serif", text)
  dark = f"@media (prefers-color-scheme: dark){{{_IN_THE_DARK}}}</style>"
  return text.replace("</style>", dark, 1).encode()


def label(name: str, length: int = 22) -> str:
  """A name as a picture can show it: printable, and cut in its middle."""
  plain = "".join(
    "\N{REPLACEMENT CHARACTER}" if unicodedata.category(c)[0] == "C" else c
    for c in name
  )
  if len(plain) <= length:
    return plain
  head = length // 2
  return f"{plain[:head]}…{plain[head + 1 - length :]}"


def short_number(value: float, _: int = 0) -> str:
  """A number as it labels a tick: 1200000 is 1.2M."""
  for size, letter in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
    if abs(value) >= size:
      return f"{value / size:g}{letter}"
  return f"{value:g}"


def piano_roll(
  piece: notes_lib.Piece, path: pathlib.Path, title: str = ""
) -> None:
  """Draws the first MAX_SECONDS of a piece into a PNG.

  Each track has a colour, drums are grey dots; louder notes are darker.
  """
  _save(_piano_roll_figure(piece, title), path)


def piano_roll_image(piece: notes_lib.Piece) -> np.ndarray:
  """The picture of `piano_roll` as uint8 [H, W, 3]."""
  canvas = FigureCanvasAgg(_piano_roll_figure(piece, ""))
  canvas.draw()
  return np.asarray(canvas.buffer_rgba())[:, :, :3].copy()


def histogram(
  counts: np.ndarray,
  edges: np.ndarray,
  path: pathlib.Path,
  *,
  title: str,
  x_label: str,
) -> None:
  """Draws how counts [B] share out over bins with edges [B + 1] into a PNG."""
  figure, axes = _figure(title, x_label, "share of notes")
  axes.stairs(counts / max(counts.sum(), 1), edges, fill=True)
  axes.set_xlim(edges[0], edges[-1])
  axes.set_ylim(bottom=0)
  _save(figure, path)


def loss_curve(rows: Iterable[Mapping[str, Any]], path: pathlib.Path) -> None:
  """Draws train/loss and valid/loss against step into a PNG.

  Args:
    rows: as in metrics.jsonl; each has `step`, and either loss or none.
    path: the picture.
  """
  figure, axes = _figure("", "step", "loss")
  rows = list(rows)
  for colour, (name, marker) in enumerate(
    (("train/loss", ""), ("valid/loss", "o"))
  ):
    points = [(row["step"], row[name]) for row in rows if name in row]
    if points:
      steps, losses = zip(*points, strict=True)
      axes.plot(
        steps, losses, marker=marker, color=_COLOURS[colour], label=name
      )
  if axes.lines:
    axes.legend(frameon=False)
  _save(figure, path)


def bars(
  panels: Mapping[str, Sequence[Bar]],
  path: pathlib.Path,
  *,
  kinds: Sequence[str],
  x_label: str,
) -> None:
  """Draws a panel of lying bars for each title, the first bar on top, into a
  PNG; `kinds` are all kinds of bars, in the order of their colours."""
  most = max((len(panel) for panel in panels.values()), default=0)
  inches = (_PANEL_INCHES * max(len(panels), 1), 1.5 + _BAR_INCHES * most)
  figure = Figure(inches, _DOTS_PER_INCH, layout="constrained")
  colours = dict(zip(kinds, itertools.cycle(_COLOURS), strict=False))
  for number, (title, panel) in enumerate(panels.items()):
    axes = figure.add_subplot(1, len(panels), number + 1)
    _style(axes, title, x_label, "")
    rows = range(len(panel))
    axes.barh(
      rows,
      [bar.value for bar in panel],
      # A bar without an error has none to draw.
      xerr=[float("nan") if bar.error is None else bar.error for bar in panel],
      color=[colours[bar.kind] for bar in panel],
    )
    for row, bar in enumerate(panel):
      end = bar.value + (bar.error or 0.0)
      axes.text(end, row, f" {bar.value:.2f}", va="center", fontsize=7)
    axes.set_yticks(rows, [bar.label for bar in panel], fontsize=7)
    # One height of a bar in all panels; the first bar is the topmost.
    axes.set_ylim(max(most, 1) - 0.4, -0.6)
  drawn = {bar.kind for panel in panels.values() for bar in panel}
  patches = [
    Patch(color=colours[kind], label=kind) for kind in kinds if kind in drawn
  ]
  figure.legend(handles=patches, loc="outside lower center", ncols=3)
  _save(figure, path)


def _figure(title: str, x_label: str, y_label: str) -> tuple[Figure, Axes]:
  figure = Figure(_INCHES, _DOTS_PER_INCH, layout="constrained")
  axes = figure.add_subplot()
  _style(axes, title, x_label, y_label)
  return figure, axes


def _style(axes: Axes, title: str, x_label: str, y_label: str) -> None:
  axes.set_title(title, parse_math=False)
  axes.set_xlabel(x_label)
  axes.set_ylabel(y_label)
  axes.spines[["top", "right"]].set_visible(False)
  axes.grid(alpha=0.2)


def _piano_roll_figure(piece: notes_lib.Piece, title: str) -> Figure:
  figure, axes = _figure(title, "seconds", "pitch")
  paint_piano_roll(axes, piece)
  return figure


def paint_piano_roll(axes: Axes, piece: notes_lib.Piece) -> None:
  """Draws what `piano_roll` shows on axes."""
  notes = piece.notes
  starts = notes_lib.tick_seconds(piece, notes["start_tick"])
  ends = notes_lib.tick_seconds(piece, notes_lib.end_ticks(notes))
  shown = starts < MAX_SECONDS
  notes, starts = notes[shown], starts[shown]
  ends = np.minimum(ends[shown], MAX_SECONDS)
  drums = notes["is_drum"]
  colours = np.zeros((len(notes), 4))
  colours[:, :3] = _DRUM_COLOUR
  colours[:, 3] = 0.35 + 0.65 * notes["velocity"] / 127
  for number, track in enumerate(np.unique(notes["track"][~drums])):
    mine = ~drums & (notes["track"] == track)
    colours[mine, :3] = _COLOURS[number % len(_COLOURS)]
  pitches = notes["pitch"]
  axes.hlines(
    pitches[~drums],
    starts[~drums],
    ends[~drums],
    colours[~drums],
    linewidth=3,
  )
  axes.scatter(starts[drums], pitches[drums], 6, colours[drums], linewidths=0)
  if len(notes):
    axes.set_xlim(0, max(ends.max(), 1.0))
    low, high = int(notes["pitch"].min()), int(notes["pitch"].max())
    axes.set_ylim(low - 2, high + 2)


def _save(figure: Figure, path: pathlib.Path) -> None:
  canvas = FigureCanvasAgg(figure)
  png = io.BytesIO()
  # Without the library's version in it the file depends on the data alone.
  canvas.print_png(png, metadata={"Software": None})
  atomic.write(pathlib.Path(path), png.getvalue())
