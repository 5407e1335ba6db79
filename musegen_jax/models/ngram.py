"""The Markov baseline: n-grams with interpolated modified Kneser-Ney smoothing.

Chen and Goodman, "An empirical study of smoothing techniques for language
modeling" (1999), section 3. With h' the history h without its oldest token,

  p_k(w | h) = (c(hw) - D(c(hw))) / c(h.) + gamma(h) p_{k-1}(w | h'),

down to a uniform p_0. The top order counts occurrences; an order below it
counts the distinct tokens seen left of the n-gram ("continuation"), so a model
of order 3 is not the lower part of one of order 8. Both sets of weights are
kept, and one fit answers for every order up to its own.

Left out: pruning and a file format (a fit takes seconds).

A k-gram has an id, its row among the distinct k-grams sorted by key = (id of
its first k-1 tokens) * V + (its last token). All steps are then sorts and
binary searches, and the successors of a history are adjacent rows.

Letters used in shapes: B histories, T tokens, V vocabulary, U distinct k-grams,
C distinct (k-1)-grams, the contexts of the k-grams.
"""

import dataclasses
from collections.abc import Sequence

import numpy as np

from musegen_jax.errors import UserError

UNSEEN = -1
# D1, D2, D3+ where the counts of counts give no usable estimate.
DEFAULT_DISCOUNTS = (0.5, 1.0, 1.5)


@dataclasses.dataclass(frozen=True)
class Weights:
  """What one order adds to the one below it.

  Attributes:
    share: float64 [U], the discounted share of a k-gram in its context.
    backoff: float64 [C], gamma: the mass a context leaves to the order below.
  """

  share: np.ndarray
  backoff: np.ndarray


@dataclasses.dataclass(frozen=True)
class Order:
  """The distinct k-grams of one length k.

  Attributes:
    keys: int64 [U], sorted: context id * V + last token.
    first: int64 [C + 1], rows first[c]:first[c + 1] continue context c.
    top: weights from raw counts, for k = the order asked for.
    lower: weights from continuation counts, for k below it; None at the
      fitted order, which is never below another.
  """

  keys: np.ndarray
  first: np.ndarray
  top: Weights
  lower: Weights | None


@dataclasses.dataclass(frozen=True)
class NGram:
  """Fitted n-grams of the lengths 1..len(orders).

  Attributes:
    predictable: bool [V], the tokens that can follow a history.
    orders: statistics of the k-grams at index k - 1.
  """

  predictable: np.ndarray
  orders: tuple[Order, ...]


def fit(
  pieces: Sequence[np.ndarray],
  vocab_size: int,
  predictable: np.ndarray,
  order: int,
) -> NGram:
  """Counts the n-grams of `pieces` up to length `order`, never across two.

  Args:
    pieces: integer arrays [T], each a begin token followed by predictable
      tokens. Augmented copies are more pieces.
    vocab_size: V.
    predictable: bool [V]; false for begin and padding, whose probability is 0.
    order: length of the longest n-gram, at least 1.

  Raises:
    UserError: order below 1, nothing to learn from, or another form of piece.
  """
  predictable = np.asarray(predictable, bool)
  if predictable.shape != (vocab_size,):
    raise ValueError(f"predictable {predictable.shape}, not ({vocab_size},)")
  if order < 1:
    raise UserError(f"n-gram order is {order}; make it at least 1")
  for piece in pieces:
    _check(piece, predictable)
  lengths = np.array([len(piece) for piece in pieces], np.int64)
  if lengths.sum() == len(lengths):
    raise UserError("no tokens to fit n-grams to; give at least one piece")
  tokens = np.concatenate(pieces)
  starts = np.cumsum(lengths) - lengths
  index_in_piece = np.arange(len(tokens)) - np.repeat(starts, lengths)

  # Every token is a 1-gram, seen or not, so its id is its own number.
  keys = np.arange(vocab_size, dtype=np.int64)
  counts = np.bincount(tokens[index_in_piece > 0], minlength=vocab_size)
  ids = tokens.astype(np.int64)
  contexts = 1
  orders = []
  for k in range(1, order + 1):
    longer_keys = longer_counts = lower_counts = None
    if k < order:
      at = np.flatnonzero(index_in_piece >= k)
      longer_keys, example, longer_ids, longer_counts = np.unique(
        ids[at - 1] * vocab_size + tokens[at],
        return_index=True,
        return_inverse=True,
        return_counts=True,
      )
      # One distinct (k+1)-gram = one more token seen left of its last k.
      lefts = np.bincount(ids[at[example]], minlength=len(keys))
      # Nothing stands left of an n-gram that opens with begin: raw counts.
      lower_counts = np.where(lefts == 0, counts, lefts)
      ids[at] = longer_ids
    orders.append(_order(keys, contexts, vocab_size, counts, lower_counts))
    contexts = len(keys)
    keys, counts = longer_keys, longer_counts
  return NGram(predictable, tuple(orders))


def token_log_probs(
  model: NGram,
  piece: np.ndarray,
  order: int | None = None,
  base: np.ndarray | None = None,
) -> np.ndarray:
  """Natural log of the probability of each token after the first.

  Args:
    model: fitted n-grams.
    piece: integer [T], begin and then predictable tokens.
    order: 1..the fitted order (the default); 1 is the unigram model.
    base: float64 [T - 1], what another model gives these tokens, for p_0 in
      place of the uniform one. It may reach tokens beyond the vocabulary.

  Returns:
    float64 [T - 1], all finite.

  Raises:
    UserError: `piece` has another form.
  """
  order = _valid_order(model, order)
  _check(piece, model.predictable)
  ids = _gram_ids(model, piece, order)
  uniform = np.full(len(piece) - 1, 1 / model.predictable.sum())
  probs = uniform if base is None else base.copy()
  for k in range(1, order + 1):
    context, gram = ids[k - 1][:-1], ids[k][1:]
    table = model.orders[k - 1]
    weights = table.top if k == order else table.lower
    known, seen = context != UNSEEN, gram != UNSEEN
    probs[known] *= weights.backoff[context[known]]
    probs[seen] += weights.share[gram[seen]]
  return np.log(probs)


def next_probs(
  model: NGram,
  histories: Sequence[np.ndarray] | np.ndarray,
  order: int | None = None,
) -> np.ndarray:
  """The distribution of the token after each history, for sampling.

  Args:
    model: fitted n-grams.
    histories: B integer arrays of any lengths, or one array [B, T]; a whole
      piece opens with begin. The last `order - 1` tokens matter.
    order: 1..the fitted order (the default).

  Returns:
    float64 [B, V]; rows sum to 1, tokens that are not predictable have 0.

  Raises:
    UserError: a token lies outside the vocabulary.
  """
  order = _valid_order(model, order)
  vocab_size = len(model.predictable)
  width = max(order - 1, 1)
  tokens = np.full((len(histories), width), UNSEEN, np.int64)
  for row, history in zip(tokens, histories, strict=True):
    recent = np.asarray(history, np.int64)[-width:]
    _check_range(recent, vocab_size)
    row[width - len(recent) :] = recent
  ids = _gram_ids(model, tokens, order - 1)

  probs = np.tile(model.predictable / model.predictable.sum(), (len(tokens), 1))
  for k in range(1, order + 1):
    context = ids[k - 1][:, -1]
    rows = np.flatnonzero(context != UNSEEN)
    context = context[rows]
    table = model.orders[k - 1]
    weights = table.top if k == order else table.lower
    probs[rows] *= weights.backoff[context][:, None]
    sizes = table.first[context + 1] - table.first[context]
    # The rows of `keys` that continue these contexts, end to end.
    grams = np.repeat(table.first[context] - np.cumsum(sizes) + sizes, sizes)
    grams += np.arange(len(grams))
    # A row and a token meet once, so += on a fancy index is safe.
    token = table.keys[grams] % vocab_size
    probs[np.repeat(rows, sizes), token] += weights.share[grams]
  return probs


def _check(piece: np.ndarray, predictable: np.ndarray) -> None:
  _check_range(piece, len(predictable))
  follows = predictable[piece]
  if not len(follows) or follows[0] or not follows[1:].all():
    raise UserError(
      "a piece is not a begin token followed by predictable tokens; encode it"
      " with the codec the n-grams were fitted for"
    )


def _check_range(tokens: np.ndarray, vocab_size: int) -> None:
  if len(tokens) and not 0 <= tokens.min() <= tokens.max() < vocab_size:
    raise UserError(
      f"a token is outside the vocabulary of {vocab_size}; encode with the"
      " codec the n-grams were fitted for"
    )


def _valid_order(model: NGram, order: int | None) -> int:
  highest = len(model.orders)
  if order is not None and not 1 <= order <= highest:
    raise UserError(f"n-gram order {order} is not in 1..{highest}")
  return order or highest


def _gram_ids(
  model: NGram, tokens: np.ndarray, longest: int
) -> list[np.ndarray]:
  """Ids [..., T] of the k-grams that end at each token, k = 0..longest."""
  ids = [np.zeros(tokens.shape, np.int64)]
  before = ids[0]  # the empty n-gram ends before the first token too
  for table in model.orders[:longest]:
    # Unseen prefixes and padding give negative keys, which no table holds.
    keys = before * len(model.predictable) + tokens
    ids.append(_rows(table.keys, keys))
    before = np.full(tokens.shape, UNSEEN)
    before[..., 1:] = ids[-1][..., :-1]
  return ids


def _rows(table: np.ndarray, keys: np.ndarray) -> np.ndarray:
  if not len(table):  # every piece is shorter than k
    return np.full(keys.shape, UNSEEN)
  row = np.minimum(np.searchsorted(table, keys), len(table) - 1)
  return np.where(table[row] == keys, row, UNSEEN)


def _order(
  keys: np.ndarray,
  contexts: int,
  vocab_size: int,
  counts: np.ndarray,
  lower_counts: np.ndarray | None,
) -> Order:
  context = keys // vocab_size
  sizes = np.bincount(context, minlength=contexts)
  first = np.concatenate([[0], np.cumsum(sizes)])
  top, lower = _weights(counts, context, contexts), None
  if lower_counts is not None:
    lower = _weights(lower_counts, context, contexts)
  return Order(keys, first, top, lower)


def _weights(counts: np.ndarray, context: np.ndarray, contexts: int) -> Weights:
  discount = _discounts(counts)[np.minimum(counts, 3)]
  total = np.bincount(context, counts, minlength=contexts)
  freed = np.bincount(context, discount, minlength=contexts)
  # A context that only ever ends pieces has no successor: all mass goes down.
  backoff = np.divide(freed, total, out=np.ones(contexts), where=total > 0)
  return Weights((counts - discount) / total[context], backoff)


def _discounts(counts: np.ndarray) -> np.ndarray:
  """D at [count capped at 3], from n[c] = how many k-grams count c."""
  n = np.bincount(np.minimum(counts, 5), minlength=6)
  discounts = np.array([0.0, *DEFAULT_DISCOUNTS])
  if n[1:5].all():
    c = np.arange(1, 4)
    estimate = c - (c + 1) * n[1] / (n[1] + 2 * n[2]) * n[c + 1] / n[c]
    if (estimate > 0).all():
      discounts[1:] = estimate
  return discounts
