"""The pictures of the report's page, each an SVG inside an <img>: what stands
in one cannot run, and its ids cannot meet those of another."""

import base64
import dataclasses
from collections.abc import Mapping
from typing import Any

import numpy as np

from musegen_jax import plots, report_plots
from musegen_jax.comparison import page_parts

MAX_CHARTS = 60


def bars(report: Mapping[str, Any]) -> str:
  """A chart of every measure, folded by table; those of primary tables open.

  Only the first MAX_CHARTS are drawn.
  """
  groups = []
  left = MAX_CHARTS
  tables = sorted(report["tables"], key=lambda table: not table["primary"])
  for table in tables:
    figures = []
    for column in table["columns"]:
      panel = report_plots.bar_panel(report, table, column)
      if panel and left:
        left -= 1
        alt = f"Bars of {column['title']}; the tables have the numbers"
        figures.append(_figure(panel, column["title"], alt))
    if figures:
      body = f'<div class="charts">{"".join(figures)}</div>'
      title = page_parts.text(table["title"])
      groups.append(page_parts.details(title, body, bool(table["primary"])))
  if not groups:
    return ""
  return (
    '<p class="soft">Dashed: the level of real music. Thin lines:'
    f" intervals.</p>{''.join(groups)}"
  )


def similarity(matrices: Mapping[str, np.ndarray]) -> str:
  """A picture of each self-similarity matrix [N, N], folded, or nothing."""
  figures = []
  for name, matrix in matrices.items():
    panel = report_plots.similarity_panel(name, matrix)
    if panel:
      alt = f"Self-similarity of a sample of {name}"
      figures.append(_figure(panel, name, alt))
  if not figures:
    return ""
  body = (
    '<p class="soft">One sample of each system: each moment against each other,'
    " time to the right and down; light is alike. Stripes beside the diagonal"
    " are repeats, squares are sections.</p>"
    f'<div class="charts small">{"".join(figures)}</div>'
  )
  return page_parts.details("Self-similarity", body)


def curves(report: Mapping[str, Any]) -> str:
  """The losses of training against each measure of its cost, or nothing."""
  figures = [
    _figure(panel, f"Against {name}", f"Loss against {name}")
    for key, panel in report_plots.curve_panels(report).items()
    for name in [report_plots.AXES_OF_CURVES[key]]
  ]
  if not figures:
    return ""
  return (
    '<p class="soft">With dots: the loss on held-out music; thin: on training'
    " music. One colour a system, one line a run.</p>"
    f'<div class="charts pairs">{"".join(figures)}</div>'
  )


def _figure(panel: plots.Panel, caption: str, alt: str) -> str:
  # The caption stands in the page, where it can be searched and wraps.
  svg = plots.sheet([dataclasses.replace(panel, title="")], 1, "svg")
  coded = base64.b64encode(svg).decode()
  width, height = (round(100 * side) for side in panel.inches)
  return (
    f"<figure><figcaption><bdi>{page_parts.text(caption)}</bdi></figcaption>"
    f'<img alt="{page_parts.text(alt)}" width="{width}" height="{height}"'
    f' src="data:image/svg+xml;base64,{coded}"></figure>'
  )
