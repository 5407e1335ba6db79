"""The pictures of a comparison's report, as panels of `plots`.

Letters used in shapes: N moments of a piece.
"""

import functools
import math
import pathlib
import re
from collections.abc import Mapping
from typing import Any

import numpy as np

from musegen_jax import atomic, plots
from musegen_jax.data import midi, midi_folder, notes
from musegen_jax.errors import UserError

REFERENCE_COLOUR = "#687785"
CONTROL_COLOUR = "#a3abb3"
# Okabe and Ito's colours, to be told apart by the colour-blind, a little
# darker, to be seen on white and on black.
MODEL_COLOURS = (
  "#1781c7",
  "#e08a00",
  "#009e73",
  "#c9679d",
  "#d55e00",
  "#7b6bc9",
  "#3fa7d6",
  "#a39100",
)
AXES_OF_CURVES = {
  "step": "step",
  "epoch": "epoch",
  "seconds": "seconds of training",
  "notes": "notes seen",
}
_WIDTH = 3.6
_ROLL_INCHES = (4.5, 1.6)
_MOST_MOMENTS = 128
_ROLLS_A_SYSTEM = 2
_COLUMNS = 3


def colours(report: Mapping[str, Any]) -> dict[str, str]:
  """The colour of each system: greys are references and controls."""
  found = {}
  models = 0
  for system in report["systems"]:
    if system["role"] == "model":
      found[system["name"]] = MODEL_COLOURS[models % len(MODEL_COLOURS)]
      models += 1
    else:
      control = system["role"] == "control"
      found[system["name"]] = CONTROL_COLOUR if control else REFERENCE_COLOUR
  return found


def finite(value: float | None) -> bool:
  return value is not None and math.isfinite(value)


def level_of_real(
  report: Mapping[str, Any], table: Mapping[str, Any], key: str
) -> float | None:
  """What real music has in a column of a table, or None."""
  kinds = {system["name"]: system["kind"] for system in report["systems"]}
  for row in table["rows"]:
    cell = row["cells"].get(key)
    if kinds.get(row["system"]) == "real" and cell and finite(cell[0]):
      return cell[0]
  return None


def bar_panel(
  report: Mapping[str, Any],
  table: Mapping[str, Any],
  column: Mapping[str, str],
) -> plots.Panel | None:
  """Lying bars of one measure, a system each, or None where it has no value.

  Thin lines span the intervals; a dashed line is the level of real music, a
  dotted one chance, where a half is best.
  """
  key = column["key"]
  cells = [(row["system"], row["cells"].get(key)) for row in table["rows"]]
  if not any(cell and finite(cell[0]) for _, cell in cells):
    return None
  inches = (_WIDTH, 0.55 + 0.2 * len(cells))
  real = level_of_real(report, table, key)
  paint = functools.partial(_paint_bars, colours(report), column, cells, real)
  return plots.Panel(plots.label(column["title"], 48), inches, paint)


def _paint_bars(
  colour: Mapping[str, str],
  column: Mapping[str, str],
  cells: list[tuple[str, list[float | None] | None]],
  real: float | None,
  axes: plots.Axes,
) -> None:
  for row, (name, cell) in enumerate(cells):
    value, low, high = cell or (None, None, None)
    if not finite(value):
      axes.text(0, row, " –", va="center")
      continue
    axes.barh(row, value, 0.62, color=colour.get(name, CONTROL_COLOUR))
    if finite(low) and finite(high):
      ends = [low, high], [row, row]
      axes.plot(*ends, "|-", color=plots.INK, linewidth=1.2, markersize=5)
  if column["better"] == "half":
    axes.axvline(0.5, color=plots.INK, linewidth=1, linestyle=":")
  if real is not None:
    axes.axvline(real, color=plots.INK, linewidth=1, linestyle="--")
  if all(not cell or not finite(cell[0]) or cell[0] >= 0 for _, cell in cells):
    axes.set_xlim(left=0)
  axes.set_yticks(range(len(cells)), [plots.label(name) for name, _ in cells])
  axes.set_ylim(len(cells) - 0.5, -0.5)
  axes.tick_params(axis="y", length=0)
  axes.spines["left"].set_visible(False)
  axes.locator_params(axis="x", nbins=5)
  axes.xaxis.set_major_formatter(plots.short_number)
  axes.set_xlabel(plots.label(column["unit"], 40))


def curve_panels(report: Mapping[str, Any]) -> dict[str, plots.Panel]:
  """Losses against what was spent, for each key of AXES_OF_CURVES with values.

  A system has one colour; the loss on held-out music is a line with dots, that
  on training music a thin one.
  """
  found = {}
  for key in AXES_OF_CURVES:
    lines = [
      (run["system"], part, _line(run["points"], key, part))
      for run in report["curves"]["runs"]
      for part in ("valid", "train")
    ]
    lines = [line for line in lines if len(line[2])]
    if lines:
      paint = functools.partial(_paint_curves, report, key, lines)
      found[key] = plots.Panel("", (_WIDTH, 2.6), paint)
  return found


def _line(points: list[Mapping[str, Any]], x: str, y: str) -> np.ndarray:
  pairs = [(point.get(x), point.get(y)) for point in points]
  kept = [pair for pair in pairs if finite(pair[0]) and finite(pair[1])]
  return np.array(kept, np.float64).reshape(-1, 2)


def _paint_curves(
  report: Mapping[str, Any],
  key: str,
  lines: list[tuple[str, str, np.ndarray]],
  axes: plots.Axes,
) -> None:
  colour = colours(report)
  named = set()
  for name, part, pairs in lines:
    thin = part == "train"
    axes.plot(
      *pairs.T,
      color=colour.get(name, CONTROL_COLOUR),
      linewidth=0.6 if thin else 1.5,
      alpha=0.6 if thin else 1.0,
      marker="" if thin and len(pairs) > 1 else "o",
      markersize=2.5,
      # A name that starts with "_" would be left out of the legend.
      label=None
      if name in named
      else "\N{ZERO WIDTH SPACE}" + plots.label(name),
    )
    named.add(name)
  valid = [pairs[:, 1].max() for _, part, pairs in lines if part == "valid"]
  if valid:
    # The first steps of training would flatten all the rest.
    low = min(pairs[:, 1].min() for _, _, pairs in lines)
    margin = 0.05 * (max(valid) - low) or 1.0
    axes.set_ylim(low - margin, max(valid) + margin)
  axes.set_xlabel(AXES_OF_CURVES[key])
  axes.set_ylabel(plots.label(report["curves"]["unit"], 40))
  axes.xaxis.set_major_formatter(plots.short_number)
  axes.locator_params(axis="x", nbins=5)
  axes.grid(alpha=0.2)
  axes.legend(frameon=False, fontsize=7, loc="upper right")


def similarity_panel(name: str, matrix: np.ndarray) -> plots.Panel | None:
  """A self-similarity matrix [N, N] in 0..1, or None where it is empty.

  Of long pieces every k-th moment is drawn.
  """
  step = max(-(-len(matrix) // _MOST_MOMENTS), 1)
  matrix = np.asarray(matrix, np.float64)[::step, ::step]
  if not matrix.size:
    return None

  def paint(axes: plots.Axes) -> None:
    axes.imshow(matrix, "magma", vmin=0, vmax=1, interpolation="none")
    axes.set_xticks([])
    axes.set_yticks([])

  return plots.Panel(plots.label(name), (1.6, 1.75), paint)


def roll_panels(
  report: Mapping[str, Any], output_dir: pathlib.Path
) -> list[plots.Panel]:
  """Piano-rolls of the first samples of each system, those of real music first;
  files that cannot be read are left out."""
  found = []
  systems = sorted(report["systems"], key=lambda s: s["kind"] != "real")
  for system in systems:
    for number, file in enumerate(system["files"][:_ROLLS_A_SYSTEM]):
      try:
        piece = read_sample(output_dir, file)
      except UserError:
        continue
      title = f"{plots.label(system['name'], 40)}, {number + 1}"
      paint = functools.partial(_paint_roll, piece)
      found.append(plots.Panel(title, _ROLL_INCHES, paint))
  return found


def _paint_roll(piece: notes.Piece, axes: plots.Axes) -> None:
  plots.paint_piano_roll(axes, piece)
  axes.set_xlabel("seconds")
  axes.set_ylabel("pitch")


def read_sample(output_dir: pathlib.Path, file: str) -> notes.Piece:
  """The piece in a MIDI file of the report's folder.

  Raises:
    UserError: the file lies elsewhere, or cannot be read.
  """
  try:
    path = (output_dir / file).resolve()
    if not path.is_relative_to(output_dir.resolve()):
      raise UserError(f"{file} lies outside the folder of the report")
    return midi_folder.read_piece(path)
  # ValueError: a name no file system takes.
  except (OSError, ValueError, midi.MidiRejected) as error:
    raise UserError(f"{file} cannot be read: {error}") from error


def write_plots(
  report: Mapping[str, Any],
  similarity: Mapping[str, np.ndarray],
  output_dir: pathlib.Path,
) -> list[pathlib.Path]:
  """Writes every picture into output_dir/plots as PNG and SVG.

  Args:
    report: as in report.json.
    similarity: a self-similarity matrix [N, N] in 0..1 of a system each.
    output_dir: the folder of the report; its samples are read from there.

  Returns:
    The files, in the order of the report.
  """
  sheets: dict[str, tuple[list[plots.Panel | None], int]] = {}
  for number, table in enumerate(report["tables"], start=1):
    panels = [bar_panel(report, table, column) for column in table["columns"]]
    name = re.sub(r"[^A-Za-z0-9]+", "_", table["id"])[:40]
    sheets[f"bars_{number}_{name}"] = (panels, _COLUMNS)
  sheets["curves"] = (list(curve_panels(report).values()), 2)
  panels = [similarity_panel(*pair) for pair in similarity.items()]
  sheets["similarity"] = (panels, 4)
  sheets["piano_rolls"] = (roll_panels(report, output_dir), _ROLLS_A_SYSTEM)
  folder = output_dir / "plots"
  folder.mkdir(exist_ok=True)
  paths = []
  for name, (panels, columns) in sheets.items():
    drawn = [panel for panel in panels if panel]
    for form in ("png", "svg") if drawn else ():
      paths.append(folder / f"{name}.{form}")
      atomic.write(paths[-1], plots.sheet(drawn, columns, form))
  return paths
