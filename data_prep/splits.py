"""Which piece goes to which split: by groups that must stay together."""

import hashlib
import re
import unicodedata

import numpy as np

from musegen_jax.data import minhash
from musegen_jax.data.shards import SPLITS

TRAIN, VALID, TEST = range(len(SPLITS))
# Titles that say nothing: two such pieces need not be the same tune.
_NO_TITLE = ("", "untitled", "unknown", "no title")


def family(genre: str, title: str) -> int:
  """A 64-bit hash of genre and tune, equal for spellings of one title.

  Case, accents, punctuation and the article, before or after a comma, make no
  difference. 0 where there is no title.
  """
  plain = unicodedata.normalize("NFKD", title).casefold()
  plain = "".join(c for c in plain if not unicodedata.combining(c))
  words = re.findall(r"\w+", plain.replace("'", "").replace("\u2019", ""))
  if " ".join(words) in _NO_TITLE:
    return 0
  words = [word for word in words if word not in ("the", "a", "an")] or words
  key = f"{genre.casefold()}\0{' '.join(words)}"
  digest = hashlib.sha256(key.encode("utf-8", "replace")).digest()
  return int.from_bytes(digest[:8], "big") or 1


def groups(clusters: np.ndarray, families: np.ndarray) -> np.ndarray:
  """Joins clusters and tune families.

  Args:
    clusters: [P] int64, the smallest index in each piece's cluster.
    families: [P] uint64, 0 for none.

  Returns:
    Group ids [P] int64: the smallest index in each piece's group.
  """
  order = np.argsort(families, kind="stable")
  order = order[families[order] > 0]
  same = families[order[1:]] == families[order[:-1]]
  return minhash.join(clusters, order[1:][same], order[:-1][same])


def assign(
  group_ids: np.ndarray,
  contents: np.ndarray,
  seed: int,
  valid_fraction: float,
  test_fraction: float,
) -> np.ndarray:
  """Draws a split for each group from (seed, lowest content hash in it).

  The draw of a group depends on no other group: more files leave it where it
  is. Where a split that was asked for would be empty, the groups nearest to
  its threshold fill it; fewer than three groups are all training data.

  Args:
    group_ids: [P] int64, as `groups` gives them.
    contents: [P] uint64 content hashes.
    seed: any integer.
    valid_fraction: share of groups expected in valid.
    test_fraction: share of groups expected in test.

  Returns:
    [P] int8 indices into SPLITS.
  """
  lowest = contents.copy()
  np.minimum.at(lowest, group_ids, contents)
  names = np.flatnonzero(group_ids == np.arange(len(group_ids)))
  salt = minhash.mix(np.array([seed % 2**64], np.uint64))
  draws = minhash.mix(minhash.mix(lowest[names]) ^ salt) / 2.0**64
  below_test = int((draws < test_fraction).sum())
  below_valid = int((draws < test_fraction + valid_fraction).sum())
  test, valid = _sizes(
    len(names),
    [below_test, below_valid - below_test],
    [test_fraction, valid_fraction],
  )
  order = np.lexsort((lowest[names], draws))
  splits = np.full(len(group_ids), TRAIN, np.int8)
  splits[names[order[:test]]] = TEST
  splits[names[order[test : test + valid]]] = VALID
  return splits[group_ids]


def _sizes(
  count: int, drawn: list[int], fractions: list[float]
) -> tuple[int, int]:
  if count < 3:
    return 0, 0
  test, valid = (
    max(1, size) if fraction else 0
    for size, fraction in zip(drawn, fractions, strict=True)
  )
  while test + valid >= count:  # training needs a group too
    if test > valid:
      test -= 1
    else:
      valid -= 1
  return test, valid
