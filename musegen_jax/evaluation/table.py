"""Rows of an evaluation: figures, intervals, and how they were averaged."""

import dataclasses

import numpy as np

from musegen_jax.data.codecs.codec import Codec
from musegen_jax.data.corpus import Corpus
from musegen_jax.evaluation import bootstrap, voice_baselines
from musegen_jax.evaluation.likelihood import Scores

AVERAGING = (
  "pooled: the sum over all pieces, divided by all their events, notes or"
  " seconds; intervals: 95 % percentile bootstrap over pieces,"
  f" {bootstrap.RESAMPLES} resamples"
)
NATS_PER_BIT = np.log(2)


@dataclasses.dataclass(frozen=True)
class Sizes:
  """What the pieces of a split hold, float64 [P] each.

  Attributes:
    notes: notes as the codec writes them.
    seconds: length on the codec's time grid.
  """

  notes: np.ndarray
  seconds: np.ndarray


def sizes(corpus: Corpus, codec: Codec) -> Sizes:
  """Counts notes and seconds of every piece."""
  pieces = [corpus.piece(index) for index in range(len(corpus))]
  return Sizes(
    np.array([codec.note_count(piece) for piece in pieces], float),
    np.array([codec.duration_seconds(piece) for piece in pieces]),
  )


def row(name: str, scores: Scores, sizes: Sizes) -> dict:
  """Figures of one model, each as [value, low, high]."""

  def ratio(numerator: np.ndarray, denominator: np.ndarray) -> list[float]:
    value = numerator.sum() / max(denominator.sum(), 1e-12)
    low, high = bootstrap.ratio_interval(numerator, denominator)
    return [float(value), low, high]

  bits = scores.nll / NATS_PER_BIT
  per_event = ratio(scores.nll, scores.events)
  return {
    "model": name,
    "nats_per_event": per_event,
    "bits_per_note": ratio(bits, sizes.notes),
    "bits_per_second": ratio(bits, sizes.seconds),
    "perplexity": [float(np.exp(value)) for value in per_event],
    "accuracy": ratio(scores.correct, scores.events),
  }


def gain(name: str, better: Scores, worse: Scores, sizes: Sizes) -> dict:
  """Bits per note by which one model is better, paired piece by piece."""
  bits = (worse.nll - better.nll) / NATS_PER_BIT
  low, high = bootstrap.ratio_interval(bits, sizes.notes)
  value = float(bits.sum() / max(sizes.notes.sum(), 1e-12))
  return {"over": name, "bits_per_note": [value, low, high]}


def heading(result: dict) -> str:
  """The line that says what was evaluated."""
  return (
    f"checkpoint {result['checkpoint']}, step {result['step']},"
    f" {result['parameters']} parameters"
  )


def markdown(result: dict) -> str:
  """The result of an evaluation as text."""
  columns = [
    ("nats_per_event", "nats/event", ".4f"),
    ("bits_per_note", "bits/note", ".3f"),
    ("bits_per_second", "bits/second", ".2f"),
    ("perplexity", "perplexity", ".3f"),
    ("accuracy", "accuracy", ".3f"),
  ]
  titles = ["model", *(title for _, title, _ in columns)]
  lines = [
    f"split {result['split']}: {result['pieces']} pieces,{_windows(result)}"
    f" {result['events']} events, {result['notes']} notes,"
    f" {result['seconds']:.0f} seconds; codec {result['codec']}",
    result["averaging"],
    "",
    "| " + " | ".join(titles) + " |",
    "|" + "---|" * len(titles),
  ]
  for each in result["rows"]:
    cells = [each["model"]]
    for key, _, form in columns:
      value, low, high = each[key]
      cells.append(f"{value:{form}} [{low:{form}}, {high:{form}}]")
    lines.append("| " + " | ".join(cells) + " |")
  for each in result["gains"]:
    value, low, high = each["bits_per_note"]
    lines.append(
      f"gain over {each['over']}: {value:.3f} [{low:.3f}, {high:.3f}] bits per"
      " note, paired by piece"
    )
  if "voices" in result:
    lines += ["", *voice_baselines.table(result["voices"])]
  return "\n".join(lines)


def _windows(result: dict) -> str:
  return f" {result['windows']} windows," if "windows" in result else ""
