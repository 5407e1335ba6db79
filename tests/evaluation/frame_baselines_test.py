"""Counts of keys and frames: exact over all frames, and as measured before."""

import itertools
import pathlib

import numpy as np
import pytest

from musegen_jax.data import frames
from musegen_jax.data.frames import Rolls
from musegen_jax.evaluation import frame_baselines, frame_rules
from musegen_jax.evaluation.frame_published import SETS
from tests import toy_rolls

KEYS = 4
# Of shared/reference/benchmarks.md, measured before this code was written:
# 1-gram (a), (b); Markov chain (b), (c), (a), (d).
MEASURED = {
  "jsb": (11.060, 11.091, 10.491, 10.489, 10.469, 10.431),
  "nottingham": (10.252, 10.261, 5.153, 5.195, 5.164, 5.095),
  "musedata": (11.510, 11.514, 8.559, 8.194, 8.560, 8.510),
  "piano_midi": (11.046, 11.052, 8.265, 8.587, 8.262, 8.125),
}


@pytest.mark.parametrize("name", SETS)
def test_published_files_read_as_measured(
  name: str, shared_data: pathlib.Path
) -> None:
  splits = frames.read_npz(shared_data / "benchmark" / SETS[name].file)
  unigram, markov, ngram = frame_baselines.fit(
    splits["train"], splits["valid"], splits["test"], articulation=False
  )
  lengths = splits["test"].lengths
  one = frame_rules.averages(unigram.test, lengths)
  chain = frame_rules.averages(markov.test, lengths)
  found = (one["a"], one["b"], *(chain[rule] for rule in "bcad"))
  np.testing.assert_allclose(found, MEASURED[name], atol=6e-4)
  # Frames seen whole tell more than keys by themselves, on every set.
  assert frame_rules.averages(ngram.test, lengths)["b"] < chain["b"]


def candidates(history: np.ndarray, states: int) -> Rolls:
  """Every frame that can be written, each after the same history [T, K]."""
  every = itertools.product(range(states), repeat=KEYS)
  return toy_rolls.of_pieces(
    *(np.vstack([history, [frame]]) for frame in every)
  )


@pytest.mark.parametrize("articulation", [False, True])
@pytest.mark.parametrize("past", [0, 1, 3])
def test_probabilities_of_all_frames_sum_to_one(
  past: int, articulation: bool
) -> None:
  states = 3 if articulation else 2
  train, valid = (
    toy_rolls.random(name, seed=1, pieces=9, keys=KEYS, states=states)
    for name in ("train", "valid")
  )
  test = candidates(train.piece(0)[:past], states)
  baselines = frame_baselines.fit(train, valid, test, articulation)
  assert [each.name for each in baselines] == [
    "note 1-gram",
    "per-key Markov chain",
    "n-gram of frames",
  ]
  for each in baselines:
    last = each.test[np.cumsum(test.lengths) - 1]
    assert np.exp(-last).sum() == pytest.approx(1), each.name
    assert len(np.unique(last)) > 1, each.name


def test_held_is_told_from_struck_on_demand_only() -> None:
  struck = np.ones((6, KEYS))
  held = np.vstack([struck[:1], 2 * struck[1:]])
  one, other = toy_rolls.of_pieces(struck), toy_rolls.of_pieces(held)
  both = toy_rolls.of_pieces(struck, held)
  merged = frame_baselines.fit(both, both, one, False)
  for ours, same in zip(
    merged, frame_baselines.fit(both, both, other, False), strict=True
  ):
    np.testing.assert_array_equal(ours.test, same.test)
  told = frame_baselines.fit(both, both, one, True)[1].test
  assert told[1] > merged[1].test[1]


def test_transitions_stay_within_pieces() -> None:
  # Silence always follows silence, sound sound; only piece borders differ.
  low, high = np.zeros((50, KEYS)), np.ones((50, KEYS))
  keys = frame_baselines.fit_keys(toy_rolls.of_pieces(low, high, low), 2)
  assert (np.exp(keys.transition[:, 0, 1]) < 0.01).all()
  assert (np.exp(keys.transition[:, 1, 0]) < 0.02).all()


def test_first_frames_are_scored_by_marginals() -> None:
  train = toy_rolls.random("train", seed=2, pieces=5, keys=KEYS)
  keys = frame_baselines.fit_keys(train, 2)
  starts = train.offsets[:-1]
  chain = frame_baselines.markov_nll(keys, train)
  marginal = frame_baselines.marginal_nll(keys, train)
  np.testing.assert_array_equal(chain[starts], marginal[starts])
  by_hand = -sum(
    keys.transition[key, train.frames[0, key], train.frames[1, key]]
    for key in range(KEYS)
  )
  assert chain[1] == pytest.approx(by_hand)


def test_order_is_chosen_on_validation() -> None:
  """A cycle of frames in which three of the past are needed."""
  cycle = np.array([[0, 0, 0, 1], [0, 0, 1, 0], [0, 0, 0, 1], [1, 0, 0, 0]])
  cycle = np.vstack([cycle, cycle[:2], cycle[:2]])
  rolls = toy_rolls.of_pieces(*[np.tile(cycle, (8, 1))] * 4)
  best = frame_baselines.fit(rolls, rolls, rolls, False)[2]
  assert best.order > 3
  assert frame_rules.averages(best.test, rolls.lengths)["b"] < 0.1
