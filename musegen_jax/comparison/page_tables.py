"""Tables of the report's page: systems by measures, speeds, comparisons.

Every function returns HTML whose data is escaped; names are untrusted.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from musegen_jax import report_plots
from musegen_jax.comparison import page_parts

_HINTS = {
  "higher": ("↑", "higher is better"),
  "lower": ("↓", "lower is better"),
  "real": ("≈", "nearer to real music is better"),
  "half": ("½", "nearer to 0.5 is better"),
}


def best(
  table: Mapping[str, Any],
  column: Mapping[str, str],
  roles: Mapping[str, str],
  real: float | None,
) -> set[str]:
  """Names of the models that are best in a column; none where one is alone.

  Args:
    table: of the report.
    column: one of its columns.
    roles: of the systems.
    real: the level of real music, where there is one.
  """
  loss = {
    "higher": lambda value: -value,
    "lower": lambda value: value,
    "half": lambda value: abs(value - 0.5),
    "real": None if real is None else lambda value: abs(value - real),
  }.get(column["better"])
  losses = {}
  for row in table["rows"]:
    cell = row["cells"].get(column["key"])
    is_model = roles.get(row["system"]) == "model"
    if loss and is_model and cell and report_plots.finite(cell[0]):
      losses[row["system"]] = loss(cell[0])
  if len(losses) < 2:
    return set()
  return {name for name in losses if losses[name] == min(losses.values())}


def table(
  part: Mapping[str, Any],
  systems: Sequence[Mapping[str, Any]],
  reals: Mapping[str, float | None],
) -> str:
  """A table of systems by measures, and what its columns mean.

  Args:
    part: a table of the report.
    systems: all systems of the report.
    reals: the level of real music by key of a column.
  """
  places = {one["name"]: i for i, one in enumerate(systems)}
  roles = {one["name"]: one["role"] for one in systems}
  columns = part["columns"]
  winners = {
    column["key"]: best(part, column, roles, reals.get(column["key"]))
    for column in columns
  }
  head = "".join(f'<th scope="col">{_heading(c)}</th>' for c in columns)
  body = []
  for row in part["rows"]:
    name = row["system"]
    cells = "".join(
      _cell(row["cells"].get(key), name in names)
      for key, names in winners.items()
    )
    kind = "" if roles.get(name) == "model" else ' class="other"'
    label = f'<th scope="row">{page_parts.system(name, places)}</th>'
    body.append(f"<tr{kind}>{label}{cells}</tr>")
  head = f'<th scope="col">System</th>{head}'
  return _scroll(part["title"], head, body) + _meanings(columns)


def plain_table(
  title: str,
  columns: Sequence[str],
  rows: Sequence[Sequence[str]],
  places: Mapping[str, int],
) -> str:
  """A table of text, whose rows start with the name of a system."""
  head = "".join(
    f'<th scope="col">{page_parts.text(column)}</th>' for column in columns
  )
  body = []
  for name, *cells in rows:
    shown = "".join(f"<td>{page_parts.text(cell)}</td>" for cell in cells)
    body.append(
      f'<tr><th scope="row">{page_parts.system(name, places)}</th>{shown}</tr>'
    )
  return _scroll(title, head, body)


def _scroll(title: str, head: str, body: Sequence[str]) -> str:
  # To be reached by keys, what scrolls must take the focus.
  return (
    f'<div class="scroll" tabindex="0" role="region"'
    f' aria-label="{page_parts.text(title)}">'
    f"<table><thead><tr>{head}</tr></thead>"
    f"<tbody>{''.join(body)}</tbody></table></div>"
  )


def _heading(column: Mapping[str, str]) -> str:
  unit = (
    f"<small>{page_parts.text(column['unit'])}</small>"
    if column["unit"]
    else ""
  )
  title = page_parts.text(column["title"])
  if column["better"] not in _HINTS:
    return f"{title}{unit}"
  sign, words = _HINTS[column["better"]]
  return (
    f'{title}&nbsp;<span title="{words}" aria-hidden="true">{sign}</span>'
    f'<span class="hidden">({words})</span>{unit}'
  )


def _cell(values: Sequence[float | None] | None, wins: bool) -> str:
  shown = page_parts.interval(*values) if values else page_parts.DASH
  if not wins:
    return f"<td>{shown}</td>"
  return (
    f'<td class="best"><span class="hidden">best model: </span>{shown}</td>'
  )


def _meanings(columns: Sequence[Mapping[str, str]]) -> str:
  items = []
  for column in columns:
    hint = _HINTS.get(column["better"])
    tail = f" <em>{hint[0]} {hint[1]}.</em>" if hint else ""
    items.append(
      f"<div><dt>{page_parts.text(column['title'])}</dt>"
      f"<dd>{page_parts.text(column['definition'])}{tail}</dd></div>"
    )
  return (
    '<details class="meaning"><summary>What the columns mean</summary>'
    f"<dl>{''.join(items)}</dl></details>"
  )


def comparisons(
  rows: Sequence[Mapping[str, Any]], places: Mapping[str, int]
) -> str:
  """A folding table of differences for each measure, the first one open."""
  groups: dict[str, list[str]] = {}
  for row in rows:
    corrected = row["p_holm"]
    is_sure = corrected is not None and corrected < 0.05
    sure = ' class="sure"' if is_sure else ""
    shown = page_parts.interval(*(row["difference"] or (None, None, None)))
    groups.setdefault(row["measure"], []).append(
      f'<tr><th scope="row">{page_parts.system(row["first"], places)}</th>'
      f'<td class="text">{page_parts.system(row["second"], places)}</td>'
      f"<td>{shown}</td><td>{page_parts.p_value(row['p'])}</td>"
      f"<td{sure}>{page_parts.p_value(corrected)}</td>"
      f"<td>{'yes' if row['paired'] else 'no'}</td></tr>"
    )
  head = '<th scope="col">First</th><th scope="col" class="text">Second</th>'
  head += "".join(
    f'<th scope="col">{title}</th>'
    for title in ("First − second", "p", "p, Holm", "Paired")
  )
  return "".join(
    page_parts.details(
      page_parts.text(measure), _scroll(measure, head, body), is_open=not place
    )
    for place, (measure, body) in enumerate(groups.items())
  )
