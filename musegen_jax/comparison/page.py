"""The report of a comparison as one HTML file that needs nothing else.

All names are untrusted: they are escaped, and the page's own policy lets it
load nothing and run no script but the two written into it.
"""

import base64
import hashlib
import json
import pathlib
import string
from collections.abc import Iterable, Mapping
from importlib import resources
from typing import Any

import numpy as np

from musegen_jax import atomic, report_plots
from musegen_jax.comparison import (
  page_charts,
  page_parts,
  page_players,
  page_tables,
)

_SYNTHESIZER = "webaudio-tinysynth"


def write(
  report: Mapping[str, Any],
  similarity: Mapping[str, np.ndarray],
  speed: Mapping[str, Any],
  output_dir: pathlib.Path,
) -> pathlib.Path:
  """Writes output_dir/report.html, whole or not at all.

  Args:
    report: as in report.json.
    similarity: a self-similarity matrix [N, N] in 0..1 of a system each.
    speed: one more table of text, titles `columns` and `rows` that start with
      the name of a system; may be empty.
    output_dir: the folder of the report; its samples are read from there, and
      one that cannot be read is named in its place.

  Returns:
    The path of the page.
  """
  path = output_dir / "report.html"
  page = render(report, similarity, speed, output_dir)
  atomic.write(path, page.encode())
  return path


def render(
  report: Mapping[str, Any],
  similarity: Mapping[str, np.ndarray],
  speed: Mapping[str, Any],
  output_dir: pathlib.Path,
) -> str:
  """The page that `write` writes; the same data gives the same text."""
  real_cards, cards, played = page_players.cards(report, output_dir)
  sections = {
    "results": ("Results", _tables(report, primary=True)),
    "listen": ("Listen", _listen(real_cards, cards)),
    "tables": (
      "Tables",
      _tables(report, primary=False) + _speed(report, speed),
    ),
    "charts": (
      "Charts",
      page_charts.bars(report) + page_charts.similarity(similarity),
    ),
    "curves": ("Training", page_charts.curves(report)),
    "comparisons": ("Comparisons", _differences(report)),
    "notes": (
      "How it was measured",
      page_parts.paragraphs(report["notes"], "notes") + _licence(),
    ),
  }
  sections = {key: part for key, part in sections.items() if part[1]}
  style = _asset("style.css") + _hues(report)
  synthesizer = _asset(_SYNTHESIZER, f"{_SYNTHESIZER}.min.js")
  player = _asset("player.js")
  return string.Template(_asset("template.html")).substitute(
    policy=_policy(style, (synthesizer, player)),
    title=page_parts.text(report["title"]),
    style=style,
    warnings=page_parts.warnings(report["warnings"]),
    summary=page_parts.paragraphs(report["summary"], "summary"),
    links="".join(
      f'<a href="#{key}">{title}</a>' for key, (title, _) in sections.items()
    ),
    sections="\n".join(
      f'<section id="{key}"><h2>{title}</h2>{body}</section>'
      for key, (title, body) in sections.items()
    ),
    samples=json.dumps(played, separators=(",", ":")).replace("<", "\\u003c"),
    synthesizer=synthesizer,
    player=player,
  )


def _asset(*names: str) -> str:
  folder = resources.files("musegen_jax.comparison") / "page_assets"
  return folder.joinpath(*names).read_text("utf-8")


def _policy(style: str, scripts: Iterable[str]) -> str:
  def digest(source: str) -> str:
    code = base64.b64encode(hashlib.sha256(source.encode()).digest()).decode()
    return f"'sha256-{code}'"

  runs = " ".join(digest(script) for script in scripts)
  return (
    f"default-src 'none'; script-src {runs}; style-src {digest(style)};"
    " img-src data:; connect-src 'none'; base-uri 'none'; form-action 'none'"
  )


def _hues(report: Mapping[str, Any]) -> str:
  colours = report_plots.colours(report)
  return "".join(
    f".s{place}{{--hue:{colours[system['name']]}}}\n"
    for place, system in enumerate(report["systems"])
  )


def _tables(report: Mapping[str, Any], primary: bool) -> str:
  parts = []
  for table in report["tables"]:
    if bool(table["primary"]) != primary:
      continue
    caption = f'<p class="soft">{page_parts.text(table["caption"])}</p>'
    title = page_parts.text(table["title"])
    body = caption + _table(report, table)
    parts.append(
      f"<h3>{title}</h3>{body}"
      if primary
      else page_parts.details(title, body, is_open=True)
    )
  legend = (
    '<p class="soft">Green: the best model of a column, by its value alone;'
    " intervals may overlap. Grey rows: real music and controls.</p>"
  )
  return "".join(parts) + (legend if primary and parts else "")


def _table(report: Mapping[str, Any], table: Mapping[str, Any]) -> str:
  reals = {
    column["key"]: report_plots.level_of_real(report, table, column["key"])
    for column in table["columns"]
  }
  return page_tables.table(table, report["systems"], reals)


def _speed(report: Mapping[str, Any], speed: Mapping[str, Any]) -> str:
  if not speed or not speed["rows"]:
    return ""
  caption = '<p class="soft">Wall-clock figures of one machine.</p>'
  table = page_tables.plain_table(
    "Speed", speed["columns"], speed["rows"], _places(report)
  )
  return page_parts.details("Speed", caption + table, True)


def _listen(real_cards: str, cards: str) -> str:
  if not real_cards + cards:
    return ""
  hint = (
    '<p class="soft">Tap a piano-roll to jump in it; Escape stops. No sound on'
    " a telephone? Its silent switch also mutes this page.</p>"
    '<noscript><p class="soft">Playing needs JavaScript.</p></noscript>'
  )
  if not real_cards:
    return f'{hint}<div class="cards">{cards}</div>'
  return (
    f'{hint}<div class="beside"><div class="real">{real_cards}</div>'
    f'<div class="cards">{cards}</div></div>'
  )


def _places(report: Mapping[str, Any]) -> dict[str, int]:
  return {system["name"]: i for i, system in enumerate(report["systems"])}


def _differences(report: Mapping[str, Any]) -> str:
  if not report["comparisons"]:
    return ""
  return (
    '<p class="soft">Differences with their intervals, and how probable one at'
    " least as large is by chance: p alone, and corrected by Holm for all that"
    " were tested. Bold: below 0.05 after the correction.</p>"
    + page_tables.comparisons(report["comparisons"], _places(report))
  )


def _licence() -> str:
  text = page_parts.lines(_asset(_SYNTHESIZER, "LICENSE"))
  return (
    '<details class="meaning"><summary>The synthesizer of this page:'
    " webaudio-tinysynth 1.1.3 by g200kg, Apache License 2.0</summary>"
    f'<pre class="scroll" tabindex="0">{text}</pre></details>'
  )
