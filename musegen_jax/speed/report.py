"""What was measured, as Markdown for people and JSON for programs."""

import dataclasses
import json
import pathlib
import statistics
from typing import Any

from musegen_jax import atomic
from musegen_jax.evaluation import markdown
from musegen_jax.speed.timing import Race

_RACE_TITLES = (
  "work",
  "who",
  "ms, min / median",
  "time / ours, by min / median / round",
  "tokens/s",
  "of GEMM",
  "of bandwidth",
  "compile",
)


@dataclasses.dataclass(frozen=True)
class Section:
  """One part of the report.

  Attributes:
    name: as in --what.
    about: what was measured, and how, in one paragraph.
    titles: of the table's columns.
    lines: the table's rows, a cell a title.
    figures: the same for programs, in JSON's types.
    notes: sentences below the table.
    pictures: PNG by file name.
  """

  name: str
  about: str
  titles: tuple[str, ...]
  lines: list[tuple[str, ...]]
  figures: list[dict[str, Any]]
  notes: tuple[str, ...] = ()
  pictures: dict[str, bytes] = dataclasses.field(default_factory=dict)


def of_races(
  name: str, about: str, races: list[Race], notes: tuple[str, ...] = ()
) -> Section:
  """A section of races, a row for each competitor."""
  return Section(
    name=name,
    about=about,
    titles=_RACE_TITLES,
    lines=[line for race in races for line in _race_lines(race)],
    figures=[_race_figures(race) for race in races],
    notes=notes,
  )


def gpu_notes(platform: str) -> tuple[str, ...]:
  """What a section says of its GPU sizes where a CPU was measured."""
  return ("GPU sizes: not measured: needs a GPU.",) if platform == "cpu" else ()


def not_measured(name: str, reason: str) -> Section:
  """A section that could not be, and why."""
  row = {"name": name, "not_measured": reason}
  lines = [(name, f"not measured: {reason}")]
  return Section(name, "", ("work", "result"), lines, [row])


def percent(share: float | None) -> str:
  """A share as a cell shows it."""
  return "" if share is None else f"{share:.1%}"


def _race_lines(race: Race) -> list[tuple[str, ...]]:
  lines = []
  for name, seconds in race.seconds.items():
    fastest, middle = min(seconds), statistics.median(seconds)
    ratios = "ours" if name == race.ours else _ratios(race, name)
    compiling = race.compile_seconds.get(name)
    lines.append(
      (
        race.name,
        name,
        f"{fastest * 1e3:.3g} / {middle * 1e3:.3g}",
        ratios,
        f"{race.tokens / fastest:,.0f}" if race.tokens else "",
        percent(race.gemm_share(name)),
        percent(race.bandwidth_share(name)),
        "" if compiling is None else f"{compiling:.1f} s",
      )
    )
  for name, reason in race.absent.items():
    blank = ("",) * (len(_RACE_TITLES) - 3)
    lines.append((race.name, name, f"not measured: {reason}", *blank))
  return lines


def _ratios(race: Race, peer: str) -> str:
  found = race.ratios(peer)
  if found is None:
    return ""
  parts = found.by_minimum, found.by_median, found.by_round
  return " / ".join(f"{part:.2f}" for part in parts)


def _race_figures(race: Race) -> dict[str, Any]:
  names = list(race.seconds)
  ratios = {n: race.ratios(n) for n in names if n != race.ours}
  medians = {n: statistics.median(race.seconds[n]) * 1e3 for n in names}
  figures: dict[str, Any] = {
    "name": race.name,
    "ours": race.ours,
    "min_ms": {n: min(race.seconds[n]) * 1e3 for n in names},
    "median_ms": medians,
    "time_over_ours": {
      n: dataclasses.asdict(found) for n, found in ratios.items() if found
    },
    "not_measured": race.absent,
    "compile_seconds": race.compile_seconds,
  }
  if race.tokens:
    figures["tokens_per_second"] = {
      n: race.tokens / min(race.seconds[n]) for n in names
    }
  if race.flops:
    figures["flops"] = race.flops
    figures["share_of_gemm"] = {n: race.gemm_share(n) for n in names}
  if race.traffic:
    figures["bytes"] = race.traffic
    figures["share_of_bandwidth"] = {n: race.bandwidth_share(n) for n in names}
  return figures


def text(section: Section) -> str:
  """A section in Markdown."""
  lines = [f"## {section.name}"]
  if section.about:
    lines += ["", section.about]
  lines += markdown.table(section.titles, section.lines)
  lines += [part for note in section.notes for part in ("", note)]
  return "\n".join(lines) + "\n"


def write(
  folder: pathlib.Path, machine: dict[str, Any], sections: list[Section]
) -> None:
  """Writes bench.json, bench.md and the pictures into a folder."""
  folder.mkdir(parents=True, exist_ok=True)
  whole = {"machine": machine} | {s.name: s.figures for s in sections}
  atomic.write(
    folder / "bench.json", (json.dumps(whole, indent=2) + "\n").encode()
  )
  about = ", ".join(f"{k}: {v}" for k, v in machine.items() if v)
  parts = [f"# Speed\n\n{about}\n", *map(text, sections)]
  atomic.write(folder / "bench.md", "\n".join(parts).encode())
  for section in sections:
    for name, picture in section.pictures.items():
      atomic.write(folder / name, picture)
