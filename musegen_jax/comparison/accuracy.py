"""The table of accuracy: likelihood, guesses, reconstruction, continuation.

Letters: W held-out excerpts, S seeds.
"""

import dataclasses
from collections.abc import Sequence

import numpy as np

from musegen_jax.comparison import continuation, likelihoods, systems, tables
from musegen_jax.comparison.entries import Entry
from musegen_jax.comparison.hearing import Excerpt, Hearing
from musegen_jax.comparison.likelihoods import Surprise
from musegen_jax.comparison.tables import Cell, Column
from musegen_jax.evaluation import bootstrap
from musegen_jax.evaluation.baselines import Baseline

REPEAT, OTHER = systems.NO_MODEL

COLUMNS = (
  Column(
    "nats_per_note",
    "NLL a note",
    "nats",
    "How surprised the model is by held-out music, for each note; of a VAE an"
    " upper bound.",
    "lower",
  ),
  Column(
    "nats_per_second",
    "NLL a second",
    "nats/s",
    "The same for each second of music.",
    "lower",
  ),
  Column(
    "next_event",
    "Next event",
    "",
    "Share of events that the model would have guessed; a VAE has no guess"
    " before it has seen the excerpt.",
    "higher",
  ),
  Column(
    "teacher_forced",
    "Comes back, helped",
    "",
    "Share of steps that a VAE gives back from its code of the excerpt while it"
    " hears the original's last step: it flatters.",
    "higher",
  ),
  Column(
    "free_running",
    "Comes back",
    "",
    "Share of steps that a VAE gives back from its code of the excerpt alone.",
    "higher",
  ),
  Column(
    "continuation",
    "Continuation F1",
    "",
    "How many notes of the second half come where they should, with their"
    " pitch, when the first half is given.",
    "higher",
  ),
)


@dataclasses.dataclass(frozen=True)
class Scored:
  """What is known of one system.

  Attributes:
    surprises: one a seed; none where the likelihood cannot be compared.
    reason: why not.
    continued: F1 of each excerpt, float64 [W], one a seed.
  """

  surprises: list[Surprise]
  reason: str
  continued: list[np.ndarray]

  @property
  def nats(self) -> np.ndarray | None:
    """Mean over seeds, [W]."""
    if not self.surprises:
      return None
    return np.mean([each.nats for each in self.surprises], axis=0)


def score(
  entries: Sequence[Entry],
  best: Baseline,
  excerpts: list[Excerpt],
  hearing: Hearing,
  *,
  samples: int,
  seed: int,
) -> dict[str, Scored]:
  """Scores every system that has a likelihood, and what needs no model.

  Args:
    entries: the rows.
    best: the n-gram.
    excerpts: W, held out.
    hearing: of all.
    samples: K of a VAE's bound.
    seed: of the continuations.
  """
  given = continuation.primers(excerpts, hearing)
  real = [excerpt.piece for excerpt in excerpts]
  first = np.array([hearing.codec.duration_seconds(each) for each in given])

  def f1(go_on: continuation.Continue) -> np.ndarray:
    # Where windows are tokens a continuation may be longer than one.
    most = hearing.window or None
    said = [hearing.decode(tokens[:most]) for tokens in go_on(given)]
    return continuation.f1(said, real, first)

  found = {}
  for entry in entries:
    if entry.kind == "ngram":
      surprise = likelihoods.of_ngram(best, excerpts, hearing)
      go_on = continuation.of_ngram(best, hearing, seed)
      found[entry.name] = Scored([surprise], "", [f1(go_on)])
    for run in entry.model.runs if entry.model else ():
      own = found.setdefault(
        entry.name, Scored([], likelihoods.reason_against(run, hearing), [])
      )
      if not own.reason:
        own.surprises.append(
          likelihoods.of_run(run, excerpts, hearing, samples)
        )
        own.continued.append(f1(continuation.of_run(run, hearing, seed)))
  found[REPEAT] = Scored([], "", [f1(continuation.again)])
  others = continuation.f1(real[-1:] + real[:-1], real, first)
  found[OTHER] = Scored([], "", [others])
  return found


def table(scored: dict[str, Scored], sizes: likelihoods.Sizes) -> dict:
  """The table, with what each likelihood is in its caption."""
  rows = {name: _row(own, sizes) for name, own in scored.items()}
  how = {
    name: own.surprises[0].measured if own.surprises else own.reason
    for name, own in scored.items()
  }
  said = "; ".join(f"{name}: {text}" for name, text in how.items() if text)
  return tables.make(
    "accuracy",
    "Accuracy",
    f"On the same {len(sizes.notes)} held-out excerpts. NLL, {said}."
    f" {REPEAT!r} and {OTHER!r} need no model.",
    COLUMNS,
    rows,
  )


def _row(own: Scored, sizes: likelihoods.Sizes) -> dict[str, Cell]:
  cells = {"continuation": tables.mean_cell(own.continued)}
  if own.surprises:
    cells["nats_per_note"] = _ratio(own.nats, sizes.notes)
    cells["nats_per_second"] = _ratio(own.nats, sizes.seconds)
    first = own.surprises[0]
    if first.right is not None:
      right = np.mean([each.right for each in own.surprises], axis=0)
      cells["next_event"] = _ratio(right, sizes.events)
    if first.returned is not None:
      returned = np.mean([each.returned for each in own.surprises], axis=0)
      cells["teacher_forced"] = _ratio(returned[0], sizes.events)
      cells["free_running"] = _ratio(returned[1], sizes.events)
  return cells


def _ratio(top: np.ndarray, bottom: np.ndarray) -> Cell:
  value = float(top.sum() / max(bottom.sum(), 1e-12))
  return tables.cell(value, bootstrap.ratio_interval(top, bottom))
