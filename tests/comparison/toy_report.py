"""A small report of a comparison, with names that mean no good."""

import pathlib

import numpy as np

from musegen_jax.data import midi
from musegen_jax.data import notes as notes_lib

HOSTILE = (
  "<img src=x onerror=alert(1)>",
  "</script><script>alert(2)</script>",
  "\"' onmouseover=alert(3) x='",
  "{{7*7}} $title ${title} $$ %s %(x)s \\frac{1}",
  "$x_{$ with no end",
  "\u202eevil\u2066 \u200fשלום",
  "control \x00\x07\x1b[31m \udc80 line\nline",
  "long " + "W" * 300,
)
KINDS = ("real", "shuffled", "lstm", "vae")


def piece(pitch: int = 60, count: int = 12) -> notes_lib.Piece:
  """Half-second notes, a step up each; the last two are drums."""
  start = np.arange(count) * 480
  drums = np.arange(count) >= count - 2
  table = notes_lib.make_notes(
    start,
    np.full(count, 480),
    pitch + np.arange(count) % 12,
    program=40,
    is_drum=drums,
    track=drums.astype(int),
  )
  return notes_lib.Piece(480, table)


def column(key: str, better: str = "real", unit: str = "") -> dict:
  return {
    "key": key,
    "title": f"title of {key}",
    "unit": unit,
    "definition": f"definition of {key}",
    "better": better,
  }


def report(names: tuple[str, ...] = KINDS, files: int = 1) -> dict:
  """A report of systems of KINDS called `names`; see `write_samples`."""
  values = [[0.5, 0.25, 0.625], [0.9, None, None], [0.6, 0.5, 0.7], None]
  cells = dict(zip(names, values, strict=False))
  rows = [{"system": name, "cells": {"one": cells[name]}} for name in names]
  for place, row in enumerate(rows):
    row["cells"] |= {"two": [10.0 + place, 9.0, 20.0], "none": None}
  title = "A comparison"
  return {
    "format": 1,
    "title": title,
    "summary": [f"{name} is compared." for name in names],
    "warnings": [f"{names[-1]} copies."],
    "systems": [
      {
        "name": name,
        "kind": KINDS[place % 4],
        "role": ("reference", "control", "model", "model")[place % 4],
        "description": f"what {name} is",
        "runs": [f"runs/{name}"],
        "seeds": 2,
        "samples": 1234,
        "degenerate": place,
        "parameters": 1_234_567 if place else None,
        "files": [f"samples/{place}_{order}.mid" for order in range(files)],
      }
      for place, name in enumerate(names)
    ],
    "tables": [
      {
        "id": names[0],
        "title": f"table of {names[-1]}",
        "caption": f"caption of {names[-1]}",
        "primary": primary,
        "columns": columns,
        "rows": rows,
      }
      for primary, columns in (
        (True, [column("one", "half"), column("two", "lower", "bits")]),
        (False, [column("two", "real"), column("none", "higher")]),
      )
    ],
    "comparisons": [
      {
        "measure": f"measure of {names[0]}",
        "first": names[0],
        "second": names[-1],
        "difference": [-0.125, -0.25, 0.0625],
        "p": 0.0001,
        "p_holm": 0.03,
        "paired": True,
      }
    ],
    "curves": {
      "unit": "nats",
      "runs": [
        {
          "system": name,
          "run": f"runs/{name}",
          "points": [
            {
              "step": step,
              "epoch": None,
              "seconds": step / 2,
              "notes": None,
              "train": 4 / step,
              "valid": 5 / step if step % 2 else None,
            }
            for step in range(1, 6)
          ],
        }
        for name in names[-2:]
      ],
    },
    "notes": [f"measured on {names[0]}"],
  }


def write_samples(folder: pathlib.Path, report: dict) -> None:
  """Writes a short piece for every file the report names."""
  (folder / "samples").mkdir()
  for place, system in enumerate(report["systems"]):
    for file in system["files"]:
      midi.write_midi(piece(50 + 5 * place), folder / file)


def similarity(names: tuple[str, ...]) -> dict[str, np.ndarray]:
  return {name: np.eye(8) for name in names[:2]}


def speed(names: tuple[str, ...]) -> dict:
  return {"columns": ["system", names[0]], "rows": [[names[-1], "123"]]}
