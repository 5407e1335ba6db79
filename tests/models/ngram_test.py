"""n-grams against a dictionary version written straight from the formula."""

import collections
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from musegen_jax.errors import UserError
from musegen_jax.models import ngram

BEGIN, END, PAD, NOTE = 0, 1, 2, 3


def predictable(vocab_size: int) -> np.ndarray:
  return ~np.isin(np.arange(vocab_size), [BEGIN, PAD])


def piece_of(notes: list[int] | np.ndarray) -> np.ndarray:
  inner = NOTE + np.asarray(notes, np.int64)
  return np.concatenate([[BEGIN], inner, [END]]).astype(np.int16)


def fit(pieces: list[np.ndarray], kinds: int, order: int) -> ngram.NGram:
  size = NOTE + kinds
  return ngram.fit(pieces, size, predictable(size), order)


class Dictionary:
  """Modified Kneser-Ney of one order, Chen and Goodman (1999), by tuples."""

  def __init__(self, pieces: list[np.ndarray], kinds: int, order: int) -> None:
    self.predictable = predictable(NOTE + kinds)
    pieces = [tuple(map(int, piece)) for piece in pieces]
    grams = collections.Counter(
      piece[end - k : end]
      for piece in pieces
      for end in range(1, len(piece) + 1)
      for k in range(1, min(order, end) + 1)
    )
    lefts = collections.Counter(gram[1:] for gram in grams)
    self.followers = collections.defaultdict(dict)
    self.estimated = 0  # lengths whose discounts come from the data
    self.discounts = {}
    for k in range(1, order + 1):
      counts = {
        gram: raw if k == order or gram[0] == BEGIN else lefts[gram]
        for gram, raw in grams.items()
        if len(gram) == k and gram != (BEGIN,)
      }
      for gram, count in counts.items():
        self.followers[gram[:-1]][gram[-1]] = count
      self.discounts[k] = self.discount_table(list(counts.values()))

  def discount_table(self, counts: list[int]) -> list[float]:
    n1, n2, n3, n4 = (counts.count(c) for c in (1, 2, 3, 4))
    if n1 and n2 and n3 and n4:
      y = n1 / (n1 + 2 * n2)
      d1, d2, d3 = 1 - 2 * y * n2 / n1, 2 - 3 * y * n3 / n2, 3 - 4 * y * n4 / n3
      if d1 > 0 and d2 > 0 and d3 > 0:
        self.estimated += 1
        return [d1, d2, d3]
    return [0.5, 1.0, 1.5]

  def prob(self, history: tuple[int, ...], token: int) -> float:
    if history:
      lower = self.prob(history[1:], token)
    else:
      lower = float(self.predictable[token] / self.predictable.sum())
    followers = self.followers.get(history)
    if not followers:
      return lower
    table = self.discounts[len(history) + 1]
    freed = sum(table[min(c, 3) - 1] for c in followers.values())
    count = followers.get(token, 0)
    share = max(count - table[min(count, 3) - 1], 0) if count else 0.0
    return (share + freed * lower) / sum(followers.values())


def assert_matches_dictionary(
  pieces: list[np.ndarray], heard: np.ndarray, kinds: int, order: int
) -> Dictionary:
  want = Dictionary(pieces, kinds, order)
  model = fit(pieces, kinds, max(order, 5))
  tokens = tuple(map(int, heard))
  expected = [
    want.prob(tokens[max(0, t - order + 1) : t], tokens[t])
    for t in range(1, len(tokens))
  ]
  got = ngram.token_log_probs(model, heard, order)
  np.testing.assert_allclose(np.exp(got), expected, rtol=1e-10)
  return want


@st.composite
def corpora(draw: st.DrawFn) -> tuple[list[np.ndarray], np.ndarray, int]:
  kinds = draw(st.integers(1, 4))
  notes = st.lists(st.integers(0, kinds - 1), max_size=12)
  pieces = draw(st.lists(notes, min_size=1, max_size=8))
  return [piece_of(p) for p in pieces], piece_of(draw(notes)), kinds


def walk(
  rng: np.random.Generator, table: np.ndarray, count: int, length: int
) -> list[np.ndarray]:
  """Pieces from a chain; table [kinds] * memory + [kinds] holds p(next)."""
  kinds, memory = table.shape[-1], table.ndim - 1
  pieces = []
  for _ in range(count):
    notes = list(rng.integers(0, kinds, memory))
    while len(notes) < length:
      notes.append(rng.choice(kinds, p=table[tuple(notes[-memory:])]))
    pieces.append(piece_of(notes))
  return pieces


def chain(seed: int, kinds: int, memory: int, count: int) -> list[np.ndarray]:
  rng = np.random.default_rng(seed)
  table = rng.dirichlet(np.full(kinds, 0.3), size=(kinds,) * memory)
  return walk(rng, table, count, 30)


@settings(deadline=None)
@given(corpora(), st.integers(1, 5))
def test_scores_equal_the_dictionary_version(
  corpus: tuple[list[np.ndarray], np.ndarray, int], order: int
) -> None:
  assert_matches_dictionary(*corpus, order)


@pytest.mark.parametrize("order", [1, 2, 3, 4, 5])
def test_scores_equal_the_dictionary_where_discounts_are_estimated(
  order: int,
) -> None:
  pieces = chain(seed=1, kinds=9, memory=1, count=41)
  want = assert_matches_dictionary(pieces[:-1], pieces[-1], 9, order)
  assert want.estimated >= order // 2


@pytest.mark.parametrize(
  ("counts", "discounts"),
  [
    # END is the fourth token seen once: Y = 4 / (4 + 2 * 2) = 1/2 and
    # D = (1 - 2/2 * 2/4, 2 - 3/2 * 1/2, 3 - 4/2 * 1/1).
    ([1, 1, 1, 2, 2, 3, 4, 0], [0.5, 1.25, 1]),
    # Y = 1/3, D2 = 2 - 3/3 * 3/1 is negative: the usual defaults instead.
    ([2, 3, 3, 3, 4, 0], [0.5, 1, 1.5]),
  ],
)
def test_unigrams_by_hand(counts: list[int], discounts: list[float]) -> None:
  model = fit([piece_of(np.repeat(np.arange(len(counts)), counts))], 8, 1)
  want = np.zeros(NOTE + 8)
  for token, count in [(END, 1), *enumerate(counts, NOTE)]:
    want[token] = count - discounts[min(count, 3) - 1] if count else 0
  want[predictable(NOTE + 8)] += (sum(counts) + 1 - want.sum()) / 9
  want /= sum(counts) + 1
  np.testing.assert_allclose(ngram.next_probs(model, [[]])[0], want, rtol=1e-12)


@settings(deadline=None, max_examples=40)
@given(corpora(), st.integers(1, 6), st.integers(0, 2**32 - 1))
def test_distributions_sum_to_one_after_any_history(
  corpus: tuple[list[np.ndarray], np.ndarray, int], order: int, seed: int
) -> None:
  pieces, _, kinds = corpus
  model = fit(pieces, kinds, order)
  rng = np.random.default_rng(seed)
  histories = [
    rng.integers(0, NOTE + kinds, rng.integers(0, 9)) for _ in range(9)
  ]
  for k in range(1, order + 1):
    probs = ngram.next_probs(model, histories, k)
    np.testing.assert_allclose(probs.sum(1), 1, atol=1e-9)
    assert (probs[:, predictable(NOTE + kinds)] > 0).all()
    assert not probs[:, [BEGIN, PAD]].any()


@pytest.mark.parametrize("order", [1, 2, 4, 6])
def test_next_probs_agree_with_scores(order: int) -> None:
  pieces = chain(seed=2, kinds=5, memory=2, count=31)
  model, heard = fit(pieces[:-1], 5, 6), pieces[-1]
  # The first token is predicted from begin alone, the last one is END.
  histories = [heard[:t] for t in range(1, len(heard))]
  probs = ngram.next_probs(model, histories, order)
  np.testing.assert_allclose(
    np.log(probs[np.arange(len(histories)), heard[1:]]),
    ngram.token_log_probs(model, heard, order),
    rtol=1e-12,
  )


def test_a_batch_gives_what_each_history_gives_alone() -> None:
  pieces = chain(seed=3, kinds=4, memory=2, count=20)
  model = fit(pieces, 4, 4)
  batch = np.stack([piece[:7] for piece in pieces])
  alone = [ngram.next_probs(model, [history])[0] for history in batch]
  np.testing.assert_array_equal(ngram.next_probs(model, batch), alone)
  assert ngram.next_probs(model, []).shape == (0, NOTE + 4)


def test_a_lower_order_equals_a_fit_of_that_order() -> None:
  pieces = chain(seed=4, kinds=6, memory=2, count=31)
  high = fit(pieces[:-1], 6, 6)
  for order in range(1, 7):
    np.testing.assert_array_equal(
      ngram.token_log_probs(high, pieces[-1], order),
      ngram.token_log_probs(fit(pieces[:-1], 6, order), pieces[-1]),
    )


def test_begins_and_ends_are_learned() -> None:
  model = fit([piece_of([0, 1, 1, 1, 1, 2])] * 50, 3, 3)
  after_begin, after_last = ngram.next_probs(
    model, [[BEGIN], [NOTE + 1, NOTE + 2]]
  )
  assert after_begin[NOTE] > 0.9
  assert after_last[END] > 0.9


def test_no_ngram_crosses_two_pieces() -> None:
  pieces = chain(seed=5, kinds=4, memory=2, count=21)
  forwards, backwards = fit(pieces[:-1], 4, 4), fit(pieces[-2::-1], 4, 4)
  scores = ngram.token_log_probs(forwards, pieces[-1])
  np.testing.assert_array_equal(
    scores, ngram.token_log_probs(backwards, pieces[-1])
  )
  np.testing.assert_array_equal(
    scores, ngram.token_log_probs(fit(pieces[:-1], 4, 4), pieces[-1])
  )


def test_long_histories_memorise_a_fixed_tune() -> None:
  tune = piece_of([0, 0, 1, 0, 0, 2, 0, 0, 1, 0, 0, 1])
  model = fit([tune] * 100, 3, 8)
  nll = [-ngram.token_log_probs(model, tune, k).mean() for k in (1, 3, 8)]
  assert nll[0] > 2 * nll[1] > 4 * nll[2]
  assert nll[2] < 0.05


def test_a_planted_second_order_chain_is_scored_best_by_order_three() -> None:
  pieces = chain(seed=6, kinds=5, memory=2, count=260)
  model = fit(pieces[:200], 5, 6)
  nll = [
    -np.concatenate(
      [ngram.token_log_probs(model, p, k) for p in pieces[200:]]
    ).mean()
    for k in range(1, 7)
  ]
  assert np.argmin(nll) + 1 == 3
  assert nll[1] - nll[2] > 0.2


@pytest.mark.parametrize(
  ("pieces", "message"),
  [
    ([], "no tokens"),
    ([[BEGIN]], "no tokens"),
    ([[]], "begin token"),
    ([[NOTE, END]], "begin token"),
    ([[BEGIN, NOTE, PAD]], "begin token"),
    ([[BEGIN, NOTE, BEGIN, END]], "begin token"),
    ([[BEGIN, 99, END]], "outside the vocabulary"),
    ([[BEGIN, -1, END]], "outside the vocabulary"),
  ],
)
def test_bad_pieces_are_refused(pieces: list[list[int]], message: str) -> None:
  with pytest.raises(UserError, match=message):
    fit([np.array(piece, np.int16) for piece in pieces], 2, 3)


def test_bad_orders_and_tokens_are_refused() -> None:
  model = fit([piece_of([0, 1])], 2, 3)
  for order in (0, 4):
    with pytest.raises(UserError, match="order"):
      ngram.token_log_probs(model, piece_of([0]), order)
  with pytest.raises(UserError, match="begin token"):
    ngram.token_log_probs(model, np.array([BEGIN, PAD]))
  with pytest.raises(UserError, match="outside the vocabulary"):
    ngram.next_probs(model, [[BEGIN, 99]])
  with pytest.raises(UserError, match="order"):
    fit([piece_of([0])], 2, 0)


def test_loads_without_jax() -> None:
  code = "import sys, musegen_jax.models.ngram; sys.exit('jax' in sys.modules)"
  subprocess.run([sys.executable, "-c", code], check=True)
