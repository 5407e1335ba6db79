"""The benchmark's result as Markdown and as a picture."""

import pathlib
from collections.abc import Sequence

from musegen_jax import plots
from musegen_jax.evaluation import bootstrap
from musegen_jax.evaluation import markdown as markdown_lib
from musegen_jax.evaluation.frame_published import (
  ESTIMATORS,
  EXACT,
  READ,
  RECALLED,
  SETS,
  UNCERTAIN,
)

_KINDS = {
  "model": "ours",
  "ensemble": "ours, ensemble",
  "baseline": "counts",
}


def markdown(result: dict) -> str:
  """The result of `frame_benchmark.run` as text, one table a kind."""
  machine, sets = result["machine"], result["sets"]
  lines = [
    "# Polyphonic benchmark: test NLL in nats a frame",
    "",
    f"Machine: {machine['platform']} ({machine['device']} x"
    f" {machine['devices']}), {machine['cpu_cores']} CPU cores, JAX"
    f" {machine['jax']}.",
    "",
    *(f"- Rule ({rule}): {text}." for rule, text in result["rules"].items()),
    f"- Intervals: 95 % percentile bootstrap over test pieces, rule (b),"
    f" {bootstrap.RESAMPLES} resamples.",
    "- ±: standard deviation over seeds (n - 1). Checkpoints are picked by"
    " validation under rule (b).",
    "",
    "## Measured here, exact NLL, rule (b)",
    *markdown_lib.table(["model", *map(title, sets)], _measured(sets)),
  ]
  for estimator in ESTIMATORS:
    lines += _published(result["published"], estimator)
  for one in sets:
    lines += _details(one)
  return "\n".join(lines) + "\n"


def title(one: dict) -> str:
  """How a data set is called in print."""
  return SETS[one["name"]].title if one["name"] in SETS else one["name"]


def chart(result: dict, path: pathlib.Path) -> None:
  """Draws the exact likelihoods, a panel a set, into a PNG; ours and the counts
  under rule (b), the published under their own rules."""
  panels = {}
  for one in result["sets"]:
    bars = [
      plots.Bar(
        row["model"],
        row["figures"]["b"]["mean"],
        row["figures"]["b"]["sd"],
        _KINDS[row["kind"]],
      )
      for row in one["rows"]
    ]
    bars += [
      plots.Bar(f"{row['model']} ({row['source']})", figure, None, mark)
      for row in result["published"]
      if row["estimator"] == EXACT
      for figure, mark in [(row["figures"].get(one["name"]), row["mark"])]
      if figure is not None
    ]
    panels[title(one)] = sorted(bars, key=lambda bar: bar.value)
  plots.bars(
    panels,
    path,
    kinds=[*_KINDS.values(), READ, RECALLED, UNCERTAIN],
    x_label="test NLL, nats a frame",
  )


def _measured(sets: Sequence[dict]) -> list[list[str]]:
  """A row a model, a column a set; models of several sets share a row."""
  names = list(
    dict.fromkeys(row["model"] for one in sets for row in one["rows"])
  )
  by_set = [{row["model"]: row for row in one["rows"]} for one in sets]
  return [
    [
      name,
      *(_figure(rows[name], "b") if name in rows else "" for rows in by_set),
    ]
    for name in names
  ]


def _published(rows: Sequence[dict], estimator: str) -> list[str]:
  rows = [row for row in rows if row["estimator"] == estimator]
  if not rows:
    return []
  named = [name for name in SETS if any(name in row["figures"] for row in rows)]
  titles = ["model", *(SETS[name].title for name in named)]
  cells = [
    [
      row["model"],
      *(_plain(row["figures"].get(name)) for name in named),
      f"({row['rule']})" if row["rule"] else "unknown",
      row["source"],
      row["mark"],
    ]
    for row in rows
  ]
  return [
    "",
    f"## In print: {estimator}",
    *markdown_lib.table([*titles, "rule", "source", "mark"], cells),
    "",
    *dict.fromkeys(
      f"- {row['source']}: {row['note']}." for row in rows if row["note"]
    ),
  ]


def _details(one: dict) -> list[str]:
  splits = "; ".join(
    f"{name} {split['pieces']:,} pieces, {split['frames']:,} frames"
    for name, split in one["splits"].items()
  )
  pairs = ", ".join(f"{first} = {other}" for first, other in one["duplicates"])
  titles = ["model", "(b)", "95 %", "(a)", "(c)", "(d)", "valid (b)"]
  titles += ["steps picked", "parameters", "seconds", "note"]
  rows = [
    [
      row["model"],
      _figure(row, "b"),
      "[{:.3f}, {:.3f}]".format(*row["interval"]),
      *(_figure(row, rule) for rule in "acd"),
      _plain(sum(row["valid"]) / len(row["valid"])) if row["valid"] else "",
      " ".join(map(str, row.get("steps", []))),
      f"{row['parameters']:,}" if "parameters" in row else "",
      f"{row['seconds']:,.0f}" if "seconds" in row else "",
      row["note"],
    ]
    for row in one["rows"]
  ]
  return [
    "",
    f"## {title(one)}, {one['source']}",
    "",
    f"{splits}.",
    f"Scored as {one['scored']}. {one['self_test']}.",
    f"Identical pieces, left in: {pairs or 'none'}.",
    *markdown_lib.table(titles, rows),
  ]


def _figure(row: dict, rule: str) -> str:
  figure = row["figures"][rule]
  spread = "" if figure["sd"] is None else f" ± {figure['sd']:.3f}"
  return f"{figure['mean']:.3f}{spread}"


def _plain(figure: float | None) -> str:
  return "" if figure is None else f"{figure:.3f}".removesuffix("0")
