"""A unigram that adapts to the piece: what is left of music without order.

Letters used in shapes: V vocabulary, N tokens.
"""

import dataclasses

import numpy as np


@dataclasses.dataclass(frozen=True)
class CacheUnigram:
  """p(w) after n tokens of a piece is (count of w so far + strength * prior of
  w) / (n + strength): the mean of a Dirichlet posterior (the cache model of
  Kuhn & De Mori 1990, with the prior as a unigram).

  Attributes:
    prior: float64 [V], probabilities of a unigram.
    strength: tokens that the prior weighs as much as.
  """

  prior: np.ndarray
  strength: float

  def nll(self, piece: np.ndarray) -> float:
    """Nats of a framed piece's tokens [N] after the first."""
    tokens = np.asarray(piece[1:], np.int64)
    order = np.argsort(tokens, kind="stable")
    ordered = tokens[order]
    # Equal tokens stand together: a token's place in its run is how often it
    # was said before.
    run_starts = np.searchsorted(ordered, ordered, side="left")
    before = np.empty(len(tokens), np.int64)
    before[order] = np.arange(len(tokens)) - run_starts
    said = np.arange(len(tokens))
    probs = (before + self.strength * self.prior[tokens]) / (
      said + self.strength
    )
    return float(-np.log(probs).sum())

  def correct(self, piece: np.ndarray) -> int:
    """Number of a framed piece's tokens after the first that were the most
    likely one."""
    scores, hits = self.strength * self.prior, 0
    for token in piece[1:]:
      hits += scores.argmax() == token
      scores[token] += 1
    return int(hits)
