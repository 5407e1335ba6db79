"""The first table of a report, and the sentences that its figures support."""

import math
from collections.abc import Sequence

from musegen_jax.comparison import tables
from musegen_jax.comparison.accuracy import Scored
from musegen_jax.comparison.entries import (
  COPY,
  MODEL,
  REAL,
  SHUFFLED,
  Entry,
)
from musegen_jax.comparison.likelihoods import EXACT
from musegen_jax.comparison.novelty import Found
from musegen_jax.comparison.tables import Cell, Column

# Columns of other tables that stand in the first one.
PICKED = (
  ("likeness", "auc"),
  ("accuracy", "nats_per_note"),
  ("accuracy", "continuation"),
  ("coherence", "short_structure"),
  ("diversity", "distinct_3"),
  ("diversity", "degenerate"),
  ("novelty", "flagged"),
)
NEAREST = Column(
  "nearest",
  "Nearest to real",
  "measures",
  "In how many of the musical statistics and measures of coherence its mean is"
  " the nearest to real music of all models.",
  "higher",
)
# Below this many excerpts a side intervals are wide and tests weak.
FEW = 50
SIGNIFICANCE = 0.05


def _cells(table: dict) -> dict[str, dict[str, Cell]]:
  return {row["system"]: row["cells"] for row in table["rows"]}


def nearest(entries: Sequence[Entry], by_id: dict[str, dict]) -> dict[str, int]:
  """How often each model's mean is nearest to that of real music, of all
  measures in which models differ."""
  models = [entry.name for entry in entries if entry.role == MODEL]
  counts = dict.fromkeys(models, 0)
  for key in ("statistics", "coherence"):
    cells = _cells(by_id[key])
    for column in by_id[key]["columns"]:
      name = column["key"]
      real = cells[REAL].get(name)
      known = {m: cells[m][name][0] for m in models if cells[m].get(name)}
      if real and len(set(known.values())) > 1:
        counts[min(known, key=lambda m: abs(known[m] - real[0]))] += 1
  return counts


def table(entries: Sequence[Entry], by_id: dict[str, dict]) -> dict:
  """The first table."""
  columns, rows = [], {entry.name: {} for entry in entries}
  for key, name in PICKED:
    for column in by_id[key]["columns"]:
      if column["key"] == name:
        columns.append(Column(**column))
    for system, cells in _cells(by_id[key]).items():
      if system in rows:
        rows[system][name] = cells.get(name)
  counts = nearest(entries, by_id)
  if len(counts) > 1:
    columns.append(NEAREST)
    for name, count in counts.items():
      rows[name][NEAREST.key] = tables.cell(count)
  return tables.make(
    "overview",
    "At a glance",
    "Each column stands with all others of its kind further down.",
    columns,
    rows,
    primary=True,
  )


def sentences(
  entries: Sequence[Entry],
  by_id: dict[str, dict],
  scored: dict[str, Scored],
  comparisons: list[dict],
  copied: Found,
) -> list[str]:
  """What the figures say, in about five sentences."""
  models = [entry for entry in entries if entry.role == MODEL]
  real = next(entry for entry in entries if entry.name == REAL)
  count = len(real.drawn[0].excerpts)
  said = ", ".join(
    f"{entry.name} ({len(entry.drawn)} seeds)"
    if len(entry.drawn) > 1
    else entry.name
    for entry in models
  )
  found = [
    f"Compared on {2 * count} held-out excerpts, half of them the reference:"
    f" {said}."
  ]
  found += _likelihood(models, by_id, scored, comparisons)
  found += _likeness(models, by_id)
  counts = nearest(entries, by_id)
  if len(counts) > 1:
    total = sum(counts.values())
    ranked = sorted(counts.items(), key=lambda item: -item[1])
    text = ", ".join(f"{name} in {number}" for name, number in ranked)
    found.append(
      f"Nearest to real music of the models, among {total} measures of single"
      f" pieces: {text}."
    )
  found += _controls(by_id, copied)
  return found


def _number(cell: Cell, digits: int = 3) -> str:
  value, low, high = cell
  text = f"{value:.{digits}g}"
  if low is None:
    return text
  return f"{text} [{low:.{digits}g}, {high:.{digits}g}]"


def _likelihood(
  models: list[Entry],
  by_id: dict[str, dict],
  scored: dict[str, Scored],
  comparisons: list[dict],
) -> list[str]:
  cells = _cells(by_id["accuracy"])
  known = {
    entry.name: cells[entry.name]["nats_per_note"]
    for entry in models
    if cells.get(entry.name, {}).get("nats_per_note")
  }
  if not known:
    return []
  ranked = sorted(known, key=lambda name: known[name][0])
  parts = []
  for name in ranked:
    exact = scored[name].surprises[0].measured == EXACT
    parts.append(f"{name} {'' if exact else 'at most '}{_number(known[name])}")
  text = f"Nats a note: {', '.join(parts)}"
  tests = [
    each
    for each in comparisons
    if each["measure"] == "NLL a note" and ranked[0] in _pair(each)
  ]
  if tests:
    beaten = [t for t in tests if t["p_holm"] < SIGNIFICANCE]
    text += (
      f"; {ranked[0]} is ahead of {len(beaten)} of {len(tests)} others beyond"
      " chance"
    )
  if "at most" in text:
    text += " (at most: a bound, which lies above the figure)"
  return [text + "."]


def _pair(test: dict) -> tuple[str, str]:
  return test["first"], test["second"]


def _likeness(models: list[Entry], by_id: dict[str, dict]) -> list[str]:
  cells = _cells(by_id["likeness"])
  known = {
    entry.name: cells[entry.name]["auc"]
    for entry in models
    if cells[entry.name].get("auc")
  }
  if not known or not cells[REAL].get("auc"):
    return []
  ranked = sorted(known, key=lambda name: known[name][0])
  text = ", ".join(f"{name} {_number(known[name])}" for name in ranked)
  return [
    f"A classifier tells samples from real music with an area of {text} (0.5 is"
    f" not at all); other real music: {_number(cells[REAL]['auc'])}."
  ]


def _controls(by_id: dict[str, dict], copied: Found) -> list[str]:
  auc, parts = _cells(by_id["likeness"]), []
  if auc.get(SHUFFLED, {}).get("auc"):
    area = _number(auc[SHUFFLED]["auc"])
    parts.append(f"shuffled pitches are told from real music with {area}")
  for name, text in ((COPY, "edited copies of training pieces"), (REAL, REAL)):
    [flags] = copied.flags[name]
    verdict = "flagged as copies" if flags.copies else "not flagged as copies"
    if math.isfinite(flags.share):
      parts.append(
        f"{text}: {verdict}, {flags.share:.0%} of them by themselves"
      )
  return [f"Controls: {'; '.join(parts)}."] if parts else []


def warnings(
  entries: Sequence[Entry], by_id: dict[str, dict], copied: Found
) -> list[str]:
  """What a reader must know first, beside models that copy."""
  lines = []
  auc = _cells(by_id["likeness"])
  poor = _cells(by_id["diversity"])
  for entry in entries:
    share = poor[entry.name].get("degenerate")
    if entry.role == MODEL and share and share[0] > 0.1:
      lines.append(
        f"{entry.name}: {share[0]:.0%} of its samples are degenerate (silent,"
        " or hardly more than one pitch)"
      )
  real = next(entry for entry in entries if entry.name == REAL)
  count = len(real.drawn[0].excerpts)
  if count < FEW:
    lines.append(
      f"only {count} held-out excerpts a side: intervals are wide, and small"
      " differences cannot be seen"
    )
  floor = auc[REAL].get("auc")
  if floor and floor[1] is not None and not floor[1] <= 0.5 <= floor[2]:
    lines.append(
      "real music is told from other real music (area"
      f" {_number(floor)}): read the other areas against that"
    )
  mixed = auc.get(SHUFFLED, {}).get("auc")
  if mixed and floor and mixed[0] <= floor[0]:
    lines.append(
      "the classifier does not tell shuffled notes from music: its areas say"
      " nothing here"
    )
  if not math.isfinite(copied.flags[COPY][0].share):
    lines.append(
      "copies cannot be found out here: novelty looks at melodies, and there"
      " are none"
    )
  elif not copied.flags[COPY][0].copies:
    lines.append(
      "edited copies of training pieces were not found out: a model that copies"
      " may pass"
    )
  if copied.flags[REAL][0].copies:
    lines.append(
      "real music is flagged as copied: the splits share pieces, or too little"
      " is held out"
    )
  return lines
