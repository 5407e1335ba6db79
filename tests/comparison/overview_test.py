"""The first table, the sentences and the warnings follow from the figures."""

import numpy as np

from musegen_jax.comparison import overview, tables
from musegen_jax.comparison.accuracy import Scored
from musegen_jax.comparison.draws import Drawn
from musegen_jax.comparison.entries import CONTROL, MODEL, REFERENCE, Entry
from musegen_jax.comparison.hearing import Excerpt
from musegen_jax.comparison.likelihoods import EXACT, Surprise
from musegen_jax.comparison.novelty import Found
from musegen_jax.comparison.tables import Cell, Column
from musegen_jax.evaluation.measures.novelty import Flags
from tests.comparison import tunes

NAMES = ("real", "a", "b", "copy", "shuffled")
ROLES = (REFERENCE, MODEL, MODEL, CONTROL, CONTROL)


def entries(excerpts: int) -> list[Entry]:
  one = Excerpt(tunes.tune(0), np.zeros(1, np.int16), 0)
  drawn = Drawn([one] * excerpts, [], 0, 1.0)
  return [
    Entry(name, "midi", role, "", [drawn])
    for name, role in zip(NAMES, ROLES, strict=True)
  ]


def table(key: str, **columns: tuple) -> dict:
  """A table of single values, in the order of NAMES; None leaves one out."""
  made = [Column(name, name, "", "") for name in columns]
  rows: dict[str, dict[str, Cell]] = {
    name: {
      column: tables.cell(values[number], None)
      for column, values in columns.items()
    }
    for number, name in enumerate(NAMES)
  }
  return tables.make(key, key, "", made, rows)


def by_id(**changes: dict) -> dict[str, dict]:
  found = {
    "accuracy": table("accuracy", nats_per_note=(None, 2.0, 3.0, None, None)),
    "likeness": table("likeness", auc=(0.5, 0.6, 0.9, 0.5, 0.95)),
    "statistics": table(
      "statistics",
      pitch_count=(8, 8.5, 12, 8, 8),
      pitch_range=(10, 5, 11, 10, 10),
      polyphony=(1, 1, 1, 1, 1),
    ),
    "coherence": table("coherence", tonal_drift=(1, 1.1, 2, 1, 1)),
    "diversity": table("diversity", degenerate=(0, 0, 0, 0, 0)),
    "novelty": table("novelty", flagged=(0.01, 0.02, 0, 0.9, 0)),
  }
  return found | changes


def copied(copy: bool = True, real: bool = False) -> Found:
  flags = {
    name: [Flags(np.zeros(4, bool), share, 0.01, 0.5, copies)]
    for name, share, copies in (("copy", 0.4, copy), ("real", 0.0, real))
  }
  return Found({}, flags, 1)


SCORED = {
  name: Scored([Surprise(np.ones(1), how)], "", [])
  for name, how in (("a", EXACT), ("b", "at most: a bound"))
}


def test_sentences_rank_what_the_tables_say() -> None:
  test = {"measure": "NLL a note", "first": "a", "second": "b", "p_holm": 0.01}
  said = overview.sentences(entries(60), by_id(), SCORED, [test], copied())
  assert len(said) == 5
  assert said[0].endswith("the reference: a, b.")
  assert "Nats a note: a 2, b at most 3" in said[1]
  assert "a is ahead of 1 of 1 others beyond chance" in said[1]
  assert "a 0.6, b 0.9" in said[2] and "other real music: 0.5" in said[2]
  assert "among 3 measures of single pieces: a in 2, b in 1" in said[3]
  assert "shuffled pitches are told from real music with 0.95" in said[4]
  assert "training pieces: flagged as copies, 40% of them" in said[4]
  assert "real: not flagged as copies, 0%" in said[4]


def test_the_first_table_picks_columns_of_the_others() -> None:
  found = overview.table(entries(60), by_id())
  assert found["primary"]
  keys = [column["key"] for column in found["columns"]]
  assert keys == ["auc", "nats_per_note", "degenerate", "flagged", "nearest"]
  cells = {row["system"]: row["cells"] for row in found["rows"]}
  assert cells["a"]["nearest"][0] == 2 and cells["real"]["nearest"] is None


def test_nothing_to_warn_of() -> None:
  assert overview.warnings(entries(60), by_id(), copied()) == []


def test_warnings() -> None:
  changes = {
    "diversity": table("diversity", degenerate=(0, 0.5, 0, 0, 0)),
    "likeness": table("likeness", auc=(0.5, 0.6, 0.9, 0.5, 0.45)),
  }
  found = copied(copy=False, real=True)
  said = overview.warnings(entries(10), by_id(**changes), found)
  assert len(said) == 5
  for words in (
    "a: 50%",
    "only 10 held-out",
    "shuffled notes",
    "were not found out",
    "real music is flagged",
  ):
    assert any(words in line for line in said), words


def test_real_music_that_is_told_from_real_music() -> None:
  found = by_id()
  [row] = [r for r in found["likeness"]["rows"] if r["system"] == "real"]
  row["cells"]["auc"] = [0.7, 0.6, 0.8]
  [line] = overview.warnings(entries(60), found, copied())
  assert line.startswith("real music is told from other real music")


def test_drums_have_no_melodies_to_copy() -> None:
  found = copied()
  for flags in found.flags.values():
    flags[0] = flags[0]._replace(share=np.nan, copies=False)
  [line] = overview.warnings(entries(60), by_id(), found)
  assert "novelty looks at melodies" in line
  said = overview.sentences(entries(60), by_id(), SCORED, [], found)
  assert "nan" not in said[-1] and "copies" not in said[-1]
