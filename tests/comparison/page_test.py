import base64
import hashlib
import html.parser
import json
import math
import pathlib
import re
import tomllib
import xml.etree.ElementTree

import numpy as np
import pytest

from musegen_jax.comparison import (
  page,
  page_charts,
  page_parts,
  page_players,
  page_tables,
)
from musegen_jax.data import midi, notes
from tests.comparison import toy_report
from tests.conftest import ROOT

ASSETS = ROOT / "musegen_jax" / "comparison" / "page_assets"
TAGS = set(
  "a article aside body button caption dd details div dl dt em figcaption"
  " figure h1 h2 h3 head header html img input li link main meta nav noscript"
  " ol p path pre script section small span style summary svg table tbody td th"
  " thead title tr ul bdi".split()
)
VOID = {"img", "input", "link", "meta"}


class Parsed(html.parser.HTMLParser):
  """Elements as (tag, attributes, own text), in the order of their starts."""

  def __init__(self, text: str) -> None:
    super().__init__()
    self.text = text
    self.elements: list[tuple[str, dict, list[str]]] = []
    self.open: list[tuple[str, dict, list[str]]] = []
    self.feed(text)
    self.close()
    assert not self.open, "an element is not closed"

  def handle_starttag(self, tag: str, attrs: list) -> None:
    self.elements.append((tag, dict(attrs), []))
    assert len(attrs) == len(dict(attrs)), "an attribute stands twice"
    if tag not in VOID:
      self.open.append(self.elements[-1])

  def handle_startendtag(self, tag: str, attrs: list) -> None:
    self.elements.append((tag, dict(attrs), []))

  def handle_endtag(self, tag: str) -> None:
    assert self.open.pop()[0] == tag

  def handle_data(self, data: str) -> None:
    if self.open:
      self.open[-1][2].append(data)

  def all(self, tag: str, **attributes: str) -> list[tuple[dict, str]]:
    return [
      (attrs, "".join(text))
      for name, attrs, text in self.elements
      if name == tag and attributes.items() <= attrs.items()
    ]


def build(
  folder: pathlib.Path, names: tuple[str, ...] = toy_report.KINDS
) -> tuple[str, dict]:
  report = toy_report.report(names)
  toy_report.write_samples(folder, report)
  path = page.write(
    report, toy_report.similarity(names), toy_report.speed(names), folder
  )
  return path.read_text("utf-8"), report


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Parsed:
  folder = tmp_path_factory.mktemp("hostile")
  return Parsed(build(folder, toy_report.HOSTILE[:4])[0])


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Parsed:
  return Parsed(build(tmp_path_factory.mktemp("plain"))[0])


def test_names_are_text_wherever_they_stand(hostile: Parsed) -> None:
  assert {tag for tag, _, _ in hostile.elements} <= TAGS
  for _, attributes, _ in hostile.elements:
    assert not any(name.startswith("on") for name in attributes)
    assert "style" not in attributes
  assert len(hostile.all("script")) == 3
  shown = [text for _, text in hostile.all("bdi")]
  for name in toy_report.HOSTILE[:4]:
    # In both tables, the charts and the card.
    assert shown.count(name) >= 3
    assert f"{name} is compared." in [text for _, text in hostile.all("li")]
    label = f"Play sample 1 of {name}"
    assert hostile.all("button", **{"aria-label": label})


@pytest.mark.parametrize("name", toy_report.HOSTILE[4:])
def test_odd_names_too(
  tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
  # Pictures of all names are tested with report_plots.
  monkeypatch.setattr(page_charts, "MAX_CHARTS", 0)
  text, _ = build(tmp_path, (name, "second", "third", f"{name} too"))
  parsed = Parsed(text)
  assert {tag for tag, _, _ in parsed.elements} <= TAGS
  assert not re.search("[\x00-\x09\x0b-\x1f\u202a-\u202e\u2066]", text)
  words = name.split()[-1][-20:]
  assert any(words in shown for _, shown in parsed.all("bdi"))


def test_nothing_is_fetched_and_only_our_scripts_run(plain: Parsed) -> None:
  for _, attributes, _ in plain.elements:
    for name in ("src", "href", "action", "poster", "srcset", "data", "xlink"):
      assert attributes.get(name, "#").startswith(("#", "data:"))
  policy = plain.all("meta", **{"http-equiv": "Content-Security-Policy"})
  rules = policy[0][0]["content"].split("; ")
  named = {rule.split()[0]: rule.split()[1:] for rule in rules}

  def digests(tag: str) -> list[str]:
    sources = [s for kind, s in plain.all(tag) if kind.get("type") is None]
    hashes = [hashlib.sha256(s.encode()).digest() for s in sources]
    return [f"'sha256-{base64.b64encode(h).decode()}'" for h in hashes]

  assert named["script-src"] == digests("script")
  assert named["style-src"] == digests("style")
  assert named["default-src"] == named["connect-src"] == ["'none'"]
  assert named["img-src"] == ["data:"]
  assert not re.search(r"url\(|@import", plain.all("style")[0][1])


def test_parts_stand_in_their_order(plain: Parsed) -> None:
  titles = [text for _, text in plain.all("h2")]
  assert titles == [
    "Results",
    "Listen",
    "Tables",
    "Charts",
    "Training",
    "Comparisons",
    "How it was measured",
  ]
  order = [tag for tag, _, _ in plain.elements]
  assert order.index("aside") < order.index("ul") < order.index("table")


def test_cells_have_intervals_dashes_and_a_best_model(plain: Parsed) -> None:
  cells = [text for _, text in plain.all("td")]
  assert "0.500" in cells and "–" in cells
  assert "0.250 to 0.625" in [text for _, text in plain.all("small")]
  best = [text for _, text in plain.all("td", **{"class": "best"})]
  # Of `one` a single model has a value, so it is not called the best.
  assert best == ["12.0", "12.0"]
  definitions = [text for _, text in plain.all("dd")]
  assert definitions.count("definition of two ") == 2


@pytest.mark.parametrize(
  ("better", "winners"),
  [
    ("higher", {"c"}),
    ("lower", {"d"}),
    ("half", {"a", "b"}),
    ("real", {"c"}),
    ("", set()),
  ],
)
def test_best_depends_on_the_direction(better: str, winners: set[str]) -> None:
  values = {"a": 0.4, "b": 0.4, "c": 0.9, "d": 0.1}
  values |= {"control": 1.0, "nan": math.nan}
  rows = [
    {"system": name, "cells": {"x": [value, None, None]}}
    for name, value in values.items()
  ]
  roles = dict.fromkeys("abcd", "model") | {
    "control": "control",
    "nan": "model",
  }
  column = toy_report.column("x", better)
  assert page_tables.best({"rows": rows}, column, roles, 0.8) == winners
  if better == "real":
    assert not page_tables.best({"rows": rows}, column, roles, None)


@pytest.mark.parametrize(
  ("value", "shown"),
  [
    (None, "–"),
    (math.nan, "–"),
    (math.inf, "–"),
    (0.0, "0"),
    (-0.0, "0"),
    (1.0, "1.00"),
    (0.98765, "0.988"),
    (0.9996, "1.00"),
    (0.012345, "0.0123"),
    (-12.345, "−12.3"),
    (123.45, "123"),
    (12345.6, "12,346"),
    (1234567.0, "1.23e6"),
    (-0.000123, "−1.23e−4"),
  ],
)
def test_numbers_have_three_digits(value: float | None, shown: str) -> None:
  assert page_parts.number(value) == shown


def test_small_helpers() -> None:
  assert page_parts.interval(0.5, 0.1234, None) == "0.500"
  assert "0.123 to 12.000" in page_parts.interval(0.5, 0.1234, 12.0)
  assert "−0.0010 to 0.0123" in page_parts.interval(0.0, -0.001, 0.0123)
  assert page_parts.count(4_731_000) == "4.73 M"
  assert page_parts.count(9_999) == "9,999"
  assert page_parts.p_value(0.0002) == "&lt; 0.001"
  assert page_parts.p_value(0.0456) == "0.046"
  assert page_parts.plural(1, "seed") == "1 seed"


def test_the_player_gets_the_notes_of_the_files(plain: Parsed) -> None:
  samples = json.loads(plain.all("script", id="samples")[0][1])
  assert len(samples) == len(plain.all("li", **{"class": "sample"})) == 4
  piece = toy_report.piece(55)
  assert samples[1]["seconds"] == notes.seconds(piece) == 6.0
  starts, lengths, pitches, _, channels, programs = np.transpose(
    samples[1]["notes"]
  )
  np.testing.assert_array_equal(starts, 500 * np.arange(12))
  np.testing.assert_array_equal(lengths, 500)
  np.testing.assert_array_equal(pitches, piece.notes["pitch"])
  np.testing.assert_array_equal(channels == 9, piece.notes["is_drum"])
  np.testing.assert_array_equal(programs, 40)
  link = plain.all("a", download="sample_2.mid")[0][0]["href"]
  data = base64.b64decode(link.removeprefix("data:audio/midi;base64,"))
  again = midi.read_midi(data).piece.notes["pitch"]
  np.testing.assert_array_equal(again, piece.notes["pitch"])


def test_no_part_uses_the_drums_channel_and_long_pieces_are_cut() -> None:
  count = 600
  piece = toy_report.piece(count=count)
  piece.notes["track"] = np.arange(count) % 40
  piece.notes["is_drum"] = False
  timed = page_players.timed_notes(piece)
  assert set(timed[:, 4]) == set(range(16)) - {9}
  cut = page_players.cut(piece, 1000)
  assert len(cut.notes) == 2 * page_players.MAX_SECONDS
  assert len(page_players.cut(piece, 7).notes) == 7


def test_piano_rolls_hold_every_note() -> None:
  timed = page_players.timed_notes(toy_report.piece())
  svg = xml.etree.ElementTree.fromstring(page_players.piano_roll(timed, 6.0))
  _, top, width, height = map(float, svg.attrib["viewBox"].split())
  marks = re.findall(
    r"M(\d+) (\d+)h(\d+)", " ".join(p.attrib["d"] for p in svg)
  )
  assert len(marks) == len(timed)
  for x, y, length in np.array(marks, int):
    assert 0 <= x <= x + length <= width + 1 and top <= y <= top + height
  rows = [int(y) for _, y, _ in marks]
  assert rows == sorted(rows, reverse=True)
  empty = page_players.timed_notes(toy_report.piece(count=0))
  assert "0 notes" in page_players.piano_roll(empty, 0.0)


def test_files_that_cannot_be_played_are_named(tmp_path: pathlib.Path) -> None:
  report = toy_report.report()
  toy_report.write_samples(tmp_path, report)
  (tmp_path / "broken.mid").write_bytes(b"MThd\0\0\0\6\0\1\xff\xff")
  files = ["../other.mid", "/etc/passwd", "gone.mid", "broken.mid", "a\0b", "."]
  report["systems"][2]["files"] = files
  report["tables"], report["curves"]["runs"] = [], []
  parsed = Parsed(page.render(report, {}, {}, tmp_path))
  said = [text for _, text in parsed.all("li", **{"class": "soft"})]
  assert len(said) == len(files)
  assert "outside the folder" in said[0] and "outside the folder" in said[1]
  assert all("cannot be read" in line for line in said[2:])
  assert len(parsed.all("li", **{"class": "sample"})) == 3


def test_a_report_of_almost_nothing(tmp_path: pathlib.Path) -> None:
  report = toy_report.report(("only",), files=0)
  for part in ("warnings", "summary", "tables", "comparisons", "notes"):
    report[part] = []
  report["curves"]["runs"] = []
  parsed = Parsed(page.render(report, {"only": np.zeros((0, 0))}, {}, tmp_path))
  titles = [text for _, text in parsed.all("h2")]
  assert titles == ["Listen", "How it was measured"]
  assert "No samples." in [text for _, text in parsed.all("p")]


def test_the_page_is_one_file_with_the_same_bytes(
  plain: Parsed, tmp_path: pathlib.Path
) -> None:
  assert build(tmp_path)[0] == plain.text
  made = sorted(path.name for path in tmp_path.iterdir())
  assert made == ["report.html", "samples"]


def test_a_big_report_stays_small(
  tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
  monkeypatch.setattr(page_charts, "MAX_CHARTS", 1)
  monkeypatch.setattr(page_players, "MAX_NOTES", 400)
  names = tuple(f"system {number}" for number in range(30))
  report = toy_report.report(names[:4], files=10)
  for file in (f for system in report["systems"] for f in system["files"]):
    (tmp_path / file).parent.mkdir(exist_ok=True)
    midi.write_midi(toy_report.piece(count=100), tmp_path / file)
  report["tables"][0]["columns"] = [
    toy_report.column(f"c{number}") for number in range(40)
  ]
  report["tables"][0]["rows"] = [
    {"system": name, "cells": {f"c{n}": [n, 0.5 * n, n + 1] for n in range(40)}}
    for name in names
  ]
  report["curves"]["runs"] = []
  text = page.render(report, {}, {}, tmp_path)
  parsed = Parsed(text)
  assert len(parsed.all("img")) == 1
  assert len(parsed.all("td")) >= 1200
  samples = json.loads(parsed.all("script", id="samples")[0][1])
  assert [len(sample["notes"]) for sample in samples] == [10] * 40
  assert len(text) < 1_000_000


def test_assets_are_packed_and_the_library_is_the_published_one() -> None:
  project = tomllib.loads((ROOT / "pyproject.toml").read_text())
  patterns = project["tool"]["setuptools"]["package-data"]
  packed = {
    path
    for pattern in patterns["musegen_jax.comparison"]
    for path in ASSETS.parent.glob(pattern)
  }
  assert {path for path in ASSETS.rglob("*") if path.is_file()} <= packed
  folder = ASSETS / "webaudio-tinysynth"
  known = re.findall(
    r"([0-9a-f]{64})  (\S+)", (folder / "README.md").read_text()
  )
  assert len(known) == 2
  for digest, name in known:
    assert hashlib.sha256((folder / name).read_bytes()).hexdigest() == digest
  for path in ASSETS.rglob("*.js"):
    assert not re.search(r"</script|<!--|\beval\(|\r", path.read_text())
