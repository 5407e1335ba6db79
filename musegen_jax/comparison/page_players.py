"""The cards of the report's page on which samples are seen and played.

Letters used in shapes: N notes.
"""

import base64
import pathlib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from musegen_jax import report_plots
from musegen_jax.comparison import page_parts
from musegen_jax.data import midi, notes
from musegen_jax.data.song import DRUM_CHANNEL
from musegen_jax.errors import UserError

MAX_SECONDS = 120.0
MAX_NOTES = 60_000  # Of all samples together: about 3 MB of the page.
_OPEN_SAMPLES = 2
_MAX_LINK_BYTES = 40_000
_WIDTH = 2000  # Of a piano-roll, in its own units.
_LEAST_PITCHES = 24
_CHANNELS = [channel for channel in range(16) if channel != DRUM_CHANNEL]


def cut(piece: notes.Piece, most_notes: int) -> notes.Piece:
  """The notes that start in the first MAX_SECONDS, `most_notes` at most."""
  starts = notes.tick_seconds(piece, piece.notes["start_tick"])
  kept = piece.notes[starts < MAX_SECONDS][:most_notes]
  return notes.Piece(piece.ticks_per_beat, kept, piece.tempos, piece.meters)


def timed_notes(piece: notes.Piece) -> np.ndarray:
  """What the player needs of each note, int64 [N, 6].

  Columns: start and length in milliseconds (a length of at least 1), pitch,
  velocity, MIDI channel, program; parts share the channels in turn.
  """
  table = piece.notes
  starts = notes.tick_seconds(piece, table["start_tick"])
  ends = notes.tick_seconds(piece, notes.end_ticks(table))
  start_ms = np.round(1000 * starts).astype(np.int64)
  length_ms = np.round(1000 * ends).astype(np.int64) - start_ms
  turns = np.take(_CHANNELS, table["track"].astype(np.int64), mode="wrap")
  return np.stack(
    [
      start_ms,
      np.maximum(length_ms, 1),
      table["pitch"].astype(np.int64),
      table["velocity"].astype(np.int64),
      np.where(table["is_drum"], DRUM_CHANNEL, turns),
      table["program"].astype(np.int64),
    ],
    axis=1,
  )


def piano_roll(timed: np.ndarray, seconds: float) -> str:
  """Notes [N, 6] of `timed_notes` as an SVG that stretches with its box."""
  pitches = timed[:, 2]
  low, high = (pitches.min(), pitches.max()) if len(timed) else (60, 60)
  spare = max(_LEAST_PITCHES - (high - low), 2)
  height = high - low + spare
  x = np.round(timed[:, :2] * (_WIDTH / (1000 * max(seconds, 1e-3))))
  x = x.astype(np.int64)
  rows = high - pitches + spare // 2
  drums = timed[:, 4] == DRUM_CHANNEL
  paths = []
  for kind, mine in (("", ~drums), (' class="drums"', drums)):
    marks = zip(x[mine, 0], rows[mine], x[mine, 1], strict=True)
    line = "".join(f"M{a} {row}h{max(length, 2)}" for a, row, length in marks)
    if line:
      paths.append(f'<path{kind} d="{line}"/>')
  label = f"Piano-roll of {page_parts.plural(len(timed), 'note')}"
  return (
    f'<svg viewBox="0 -0.5 {_WIDTH} {height + 1}" preserveAspectRatio="none"'
    f' role="img" aria-label="{label}">{"".join(paths)}</svg>'
  )


def cards(
  report: Mapping[str, Any], output_dir: pathlib.Path
) -> tuple[str, str, list[dict[str, Any]]]:
  """Cards of systems with their samples.

  Args:
    report: as in report.json.
    output_dir: the folder its files are relative to.

  Returns:
    HTML of the cards of real music, of the others, the models first, and what
    the player needs of each sample: `seconds` and `notes` (see `timed_notes`).
  """
  files = sum(len(system["files"]) for system in report["systems"])
  most_notes = MAX_NOTES // max(files, 1)
  reals, models, controls, played = [], [], [], []
  for place, system in enumerate(report["systems"]):
    samples = [
      _sample(output_dir, file, system["name"], order, most_notes, played)
      for order, file in enumerate(system["files"], start=1)
    ]
    where = models if system["role"] == "model" else controls
    if system["kind"] == "real":
      where = reals
    where.append(_card(system, place, samples))
  return "".join(reals), "".join(models + controls), played


def _sample(
  output_dir: pathlib.Path,
  file: str,
  name: str,
  order: int,
  most_notes: int,
  played: list[dict[str, Any]],
) -> str:
  try:
    piece = cut(report_plots.read_sample(output_dir, file), most_notes)
  except UserError as error:
    return f'<li class="soft">{page_parts.text(str(error))}</li>'
  seconds = round(notes.seconds(piece), 2)
  timed = timed_notes(piece)
  label = page_parts.text(f"sample {order} of {name}")
  length = f"{int(seconds) // 60}:{int(seconds) % 60:02d}"
  played.append({"seconds": seconds, "notes": timed.tolist()})
  return (
    f'<li class="sample" data-sample="{len(played) - 1}" data-state="stopped">'
    f'<button type="button" class="play" aria-pressed="false"'
    f' aria-label="Play {label}"></button>'
    f'<div class="roll">{piano_roll(timed, seconds)}<span class="head"></span>'
    f'<input type="range" min="0" max="{seconds}" step="0.01" value="0"'
    f' aria-label="Position in {label}"></div>'
    f'<div class="below"><span><span class="now">0:00</span> / {length}</span>'
    f"<span>{page_parts.plural(len(timed), 'note')}</span>"
    f"{_link(piece, f'sample_{len(played)}.mid')}</div></li>"
  )


def _link(piece: notes.Piece, name: str) -> str:
  data = midi.to_bytes(piece)
  if len(data) > _MAX_LINK_BYTES:
    return ""
  coded = base64.b64encode(data).decode()
  return f'<a download="{name}" href="data:audio/midi;base64,{coded}">MIDI</a>'


def _card(system: Mapping[str, Any], place: int, samples: Sequence[str]) -> str:
  shown = "".join(samples[:_OPEN_SAMPLES])
  body = f"<ol>{shown}</ol>" if shown else '<p class="soft">No samples.</p>'
  rest = samples[_OPEN_SAMPLES:]
  if rest:
    title = page_parts.plural(len(rest), "more sample")
    body += (
      f"<details><summary>{title}</summary><ol>{''.join(rest)}</ol></details>"
    )
  runs = "".join(f"<li>{page_parts.text(run)}</li>" for run in system["runs"])
  if runs:
    title = page_parts.plural(len(system["runs"]), "run")
    body += f"<details><summary>{title}</summary><ul>{runs}</ul></details>"
  role = page_parts.text(f"{system['role']} · {system['kind']}")
  return (
    f'<article class="card s{place}"><div class="role">{role}</div>'
    f"<h3>{page_parts.system(system['name'], {})}</h3>"
    f"<p>{page_parts.text(system['description'])}</p>"
    f'<p class="soft">{_facts(system)}</p>{body}</article>'
  )


def _facts(system: Mapping[str, Any]) -> str:
  facts = [page_parts.plural(system["samples"], "sample")]
  if system["seeds"] > 1:
    facts.append(page_parts.plural(system["seeds"], "seed"))
  if system["degenerate"]:
    facts.append(f"{page_parts.count(system['degenerate'])} degenerate")
  if system["parameters"] is not None:
    facts.append(f"{page_parts.count(system['parameters'])} parameters")
  return " · ".join(facts)
