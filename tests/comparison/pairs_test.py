"""Differences between models: found where they are, and nowhere else."""

import numpy as np
import pytest

from musegen_jax.comparison import pairs
from musegen_jax.comparison.accuracy import Scored
from musegen_jax.comparison.draws import Drawn
from musegen_jax.comparison.entries import MODEL, REFERENCE, Entry
from musegen_jax.comparison.likelihoods import EXACT, Surprise
from musegen_jax.comparison.novelty import Found
from musegen_jax.comparison.piecewise import COHERENCE, STATISTICS
from musegen_jax.evaluation import permutation
from musegen_jax.evaluation.measures.novelty import Novelty

PIECES = 40
FOUND = Drawn([], [], 0, 1.0)


def entry(name: str, role: str = MODEL) -> Entry:
  return Entry(name, "lstm", role, "", [FOUND])


def novelty(values: np.ndarray) -> Novelty:
  zeros = np.zeros(len(values))
  return Novelty(
    **dict.fromkeys(Novelty._fields, zeros) | {"run_notes": values}
  )


def compare(apart: float) -> list[dict]:
  """Two models whose nats and first statistic differ by `apart` deviations."""
  rng = np.random.default_rng(0)
  names = ("a", "b")
  excerpts = rng.standard_normal(PIECES) * 5
  nats = {
    name: excerpts + rng.standard_normal(PIECES) + apart * number
    for number, name in enumerate(names)
  }
  scored = {
    name: Scored([Surprise(nats[name], EXACT)], "", [np.full(PIECES, np.nan)])
    for name in names
  }
  statistics = {
    name: [rng.standard_normal((PIECES, len(STATISTICS))) for _ in range(2)]
    for name in names
  }
  for seed in statistics["b"]:
    seed[:, 0] += apart
  coherence = {name: [np.full((PIECES, len(COHERENCE)), 0.5)] for name in names}
  runs = {name: [novelty(rng.standard_normal(PIECES))] for name in names}
  return pairs.make(
    [entry("real", REFERENCE), entry("a"), entry("b")],
    scored,
    np.full(PIECES, 2.0),
    statistics,
    coherence,
    Found(runs, {}, 1),
  )


@pytest.fixture(autouse=True)
def _few_permutations(monkeypatch: pytest.MonkeyPatch) -> None:
  monkeypatch.setattr(permutation, "PERMUTATIONS", 2000)


def test_no_difference_is_found_where_there_is_none() -> None:
  tests = compare(0.0)
  assert len(tests) == 2 + len(STATISTICS)
  assert min(test["p_holm"] for test in tests) > 0.05
  assert {(test["first"], test["second"]) for test in tests} == {("a", "b")}


def test_differences_are_found_and_stand_first() -> None:
  tests = compare(1.5)
  found = {test["measure"] for test in tests if test["p_holm"] < 0.05}
  assert found == {"NLL a note", STATISTICS[0].title}
  assert {test["measure"] for test in tests[:2]} == found
  nll = next(test for test in tests if test["measure"] == "NLL a note")
  value, low, high = nll["difference"]
  # 1.5 nats an excerpt of two notes; b is worse.
  assert low < value < high < 0 and abs(value + 0.75) < 0.25
  assert nll["paired"]
  assert all(test["p_holm"] >= test["p"] for test in tests)
