import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from data_prep import splits

SPELLINGS = ["The Blackbird", "Blackbird, The", "BLACKBIRD!", "bläckbird"]


@pytest.mark.parametrize("title", SPELLINGS)
def test_spellings_are_one_family(title: str) -> None:
  assert splits.family("reel", title) == splits.family("Reel", "Blackbird")


def test_other_tunes_are_other_families() -> None:
  names = [("reel", "Blackbird"), ("jig", "Blackbird"), ("reel", "Blackbird 2")]
  names += [("reel", "The"), ("reel", "春")]
  assert len({splits.family(*name) for name in names}) == len(names)
  assert splits.family("reel", " ") == splits.family("", "Untitled") == 0


def test_families_join_clusters() -> None:
  clusters = np.array([0, 1, 0, 3, 4, 5])
  families = np.array([7, 9, 0, 7, 9, 0], np.uint64)
  assert splits.groups(clusters, families).tolist() == [0, 1, 0, 0, 1, 5]


contents = st.lists(
  st.integers(0, 2**64 - 1), min_size=1, max_size=60, unique=True
).map(lambda values: np.array(values, np.uint64))


@given(contents, st.integers(0, 5), st.sampled_from([0.0, 0.02, 0.1, 0.6]))
def test_splits_that_were_asked_for_are_not_empty(
  content: np.ndarray, seed: int, valid: float
) -> None:
  groups = np.arange(len(content))
  found = splits.assign(groups, content, seed, valid, 0.1)
  counts = np.bincount(found, minlength=3)
  if len(content) < 3:
    assert counts[splits.TRAIN] == len(content)
  else:
    assert counts[splits.TRAIN] and counts[splits.TEST]
    assert bool(counts[splits.VALID]) == (valid > 0)


def test_a_group_keeps_its_split_when_others_come() -> None:
  content = np.random.default_rng(0).integers(0, 2**63, 2000, np.uint64)
  groups = np.arange(2000) // 2 * 2
  every = splits.assign(groups, content, 0, 0.1, 0.2)
  assert (every[::2] == every[1::2]).all()
  half = splits.assign(groups[:1000], content[:1000], 0, 0.1, 0.2)
  assert (half == every[:1000]).all()
  shares = np.bincount(every) / 2000
  np.testing.assert_allclose(shares, [0.7, 0.1, 0.2], atol=0.04)
  assert (every != splits.assign(groups, content, 1, 0.1, 0.2)).any()
