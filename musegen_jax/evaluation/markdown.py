"""Markdown that every report writes alike."""

from collections.abc import Iterable, Sequence


def table(titles: Iterable[str], rows: Iterable[Sequence[str]]) -> list[str]:
  """The lines of a table, an empty one before it; rows have a cell a title."""
  titles = list(titles)
  lines = [titles, ["---"] * len(titles), *rows]
  return ["", *("| " + " | ".join(line) + " |" for line in lines)]
