"""A report as Markdown."""

from musegen_jax.comparison.tables import Cell
from musegen_jax.evaluation import markdown

# Tests that are listed; all are in report.json.
MOST_TESTS = 40


def text(report: dict, speed: dict) -> str:
  """The report for a terminal or a README.

  Args:
    report: what report.json holds.
    speed: a small table of clock times.
  """
  lines = [f"# {_plain(report['title'])}", ""]
  lines += [f"**{_plain(line)}**\n" for line in report["warnings"]]
  lines += [f"- {_plain(line)}" for line in report["summary"]]
  for table in report["tables"]:
    lines += ["", f"## {table['title']}", "", _plain(table["caption"])]
    titles = ["system", *(_title(column) for column in table["columns"])]
    keys = [column["key"] for column in table["columns"]]
    rows = [
      [_plain(row["system"]), *(number(row["cells"][key]) for key in keys)]
      for row in table["rows"]
    ]
    lines += markdown.table(titles, rows)
  tests = report["comparisons"][:MOST_TESTS]
  if tests:
    lines += ["", "## Differences between models", "", _CAPTION]
    titles = ["measure", "first", "second", "first - second", "p", "p, Holm"]
    rows = [
      [
        _plain(test["measure"]),
        _plain(test["first"]),
        _plain(test["second"]),
        number(test["difference"]),
        f"{test['p']:.2g}",
        f"{test['p_holm']:.2g}",
      ]
      for test in tests
    ]
    lines += markdown.table(titles, rows)
  lines += ["", "## Speed", ""]
  titles, rows = speed["columns"], speed["rows"]
  lines += markdown.table(titles, [list(map(_plain, row)) for row in rows])
  lines += ["", "## How it was measured", ""]
  lines += [f"- {_plain(line)}" for line in report["notes"]]
  return "\n".join(lines) + "\n"


_CAPTION = (
  "Permutation tests, 10,000 permutations, p corrected for their number (Holm)."
)


def number(cell: Cell) -> str:
  """`value [low, high]` with three digits; a dash where undefined."""
  if cell is None or cell[0] is None:
    return "–"
  value, low, high = cell
  if low is None or high is None:
    return _digits(value)
  return f"{_digits(value)} [{_digits(low)}, {_digits(high)}]"


def _digits(value: float) -> str:
  return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"


def _title(column: dict) -> str:
  title, unit = column["title"], column["unit"]
  # "Pitches, pitches" says nothing more.
  return f"{title}, {unit}" if unit and unit not in title.lower() else title


def _plain(words: str) -> str:
  """Words of a user that cannot break a table or become markup."""
  said = " ".join(str(words).split())
  for sign in "\\`*_<>|#":
    said = said.replace(sign, f"\\{sign}")
  # Intervals keep their brackets, links lose their address.
  return said.replace("](", "]\\(")
