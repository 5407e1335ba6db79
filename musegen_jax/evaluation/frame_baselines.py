"""What a model of frames is measured against: counts of keys and of frames.

All three are exact: over all frames that can be written their probabilities
sum to 1. F frames, K keys, S states of a key: silent and sounding, or silent,
struck and held. Smoothing adds 1/2 to every count.

Left out: n-grams of transposed copies (the sets are normalised in key).
"""

import dataclasses
from collections.abc import Sequence

import numpy as np

from musegen_jax.data.frames import HELD, STRUCK, Rolls
from musegen_jax.evaluation import frame_rules
from musegen_jax.models import ngram

MAX_ORDER = 12
_SMOOTHING = 0.5


@dataclasses.dataclass(frozen=True)
class Keys:
  """Statistics of each key by itself.

  Attributes:
    marginal: float64 [K, S], natural logs of each state's probability.
    transition: float64 [K, S, S], the same given the key's last state.
  """

  marginal: np.ndarray
  transition: np.ndarray


@dataclasses.dataclass(frozen=True)
class Baseline:
  """A row of the table.

  Attributes:
    name: as printed.
    valid: float64 [F], nats of every frame of the validation split.
    test: float64 [F], those of the test split.
    order: of an n-gram whose order was chosen, else None.
  """

  name: str
  valid: np.ndarray
  test: np.ndarray
  order: int | None = None


def fit_keys(train: Rolls, states: int) -> Keys:
  """Counts states and, within pieces, transitions; `states` is S."""
  frames = train.frames
  later = _later(train)[1:]
  moves = (frames[:-1] * states + frames[1:])[later]
  # Key by key: a bincount is ten times faster than comparing and summing.
  counts = [np.bincount(key, minlength=states) for key in frames.T]
  pairs = [np.bincount(key, minlength=states**2) for key in moves.T]
  transition = np.reshape(pairs, (len(pairs), states, states))
  return Keys(_log_shares(np.array(counts)), _log_shares(transition))


def marginal_nll(keys: Keys, rolls: Rolls) -> np.ndarray:
  """Nats of every frame, float64 [F], each key by its marginal."""
  key = np.arange(rolls.frames.shape[1])
  return -keys.marginal[key, rolls.frames].sum(1)


def markov_nll(keys: Keys, rolls: Rolls) -> np.ndarray:
  """Nats of every frame, float64 [F], each key given its last state; the first
  frame of a piece by the marginals."""
  frames = rolls.frames
  key = np.arange(frames.shape[1])
  nll = marginal_nll(keys, rolls)
  chained = -keys.transition[key, frames[:-1], frames[1:]].sum(1)
  return np.where(_later(rolls), np.concatenate([nll[:1], chained]), nll)


def fit(
  train: Rolls, valid: Rolls, test: Rolls, articulation: bool
) -> list[Baseline]:
  """The note 1-gram, the per-key Markov chain and the n-gram of whole frames.

  `articulation` tells held keys from struck ones; without it both sound.
  The n-gram is interpolated modified Kneser-Ney down to single frames, and
  from there to the Markov chain, which knows every frame; its order is the one
  of the lowest validation figure under rule (b).
  """
  splits = [train, valid, test]
  if not articulation:
    splits = [
      dataclasses.replace(rolls, frames=np.minimum(rolls.frames, STRUCK))
      for rolls in splits
    ]
  keys = fit_keys(splits[0], states=1 + (HELD if articulation else STRUCK))
  markov = [markov_nll(keys, rolls) for rolls in splits[1:]]
  return [
    Baseline("note 1-gram", *(marginal_nll(keys, r) for r in splits[1:])),
    Baseline("per-key Markov chain", *markov),
    _best_ngram(splits, markov),
  ]


def _best_ngram(
  splits: Sequence[Rolls], markov: Sequence[np.ndarray]
) -> Baseline:
  (train, valid, _), symbols = splits, _symbols(splits)
  begin = 1 + max(int(ids.max()) for ids in symbols)
  known = np.arange(begin + 1) < begin
  pieces = _framed(symbols[0], train, begin)
  model = ngram.fit(pieces, begin + 1, known, MAX_ORDER)

  def nll(split: int, order: int) -> np.ndarray:
    rolls, base = splits[split], np.exp(-markov[split - 1])
    bases = np.split(base, np.cumsum(rolls.lengths)[:-1])
    rows = zip(_framed(symbols[split], rolls, begin), bases, strict=True)
    scores = [ngram.token_log_probs(model, ids, order, p) for ids, p in rows]
    return -np.concatenate(scores)

  candidates = [(order, nll(1, order)) for order in range(1, MAX_ORDER + 1)]
  order, best = min(
    candidates,
    key=lambda one: frame_rules.averages(one[1], valid.lengths)["b"],
  )
  return Baseline("n-gram of frames", best, nll(2, order), order)


def _symbols(splits: Sequence[Rolls]) -> list[np.ndarray]:
  """Each split's frames as numbers, int64 [F]; equal frames have equal ones."""
  frames = np.concatenate([rolls.frames for rolls in splits])
  packed = [
    np.packbits(frames == s, axis=1) for s in range(1, 1 + frames.max())
  ]
  rows = np.ascontiguousarray(np.concatenate(packed, 1))
  whole = rows.view(np.dtype((np.void, rows.shape[1])))[:, 0]
  ids = np.unique(whole, return_inverse=True)[1]
  return np.split(ids, np.cumsum([len(rolls.frames) for rolls in splits])[:-1])


def _framed(ids: np.ndarray, rolls: Rolls, begin: int) -> list[np.ndarray]:
  pieces = np.split(ids, np.cumsum(rolls.lengths)[:-1])
  return [np.concatenate([[begin], piece]) for piece in pieces]


def _later(rolls: Rolls) -> np.ndarray:
  """Where a frame follows another of its piece, bool [F]."""
  later = np.ones(len(rolls.frames), bool)
  later[(np.cumsum(rolls.lengths) - rolls.lengths)[rolls.lengths > 0]] = False
  return later


def _log_shares(counts: np.ndarray) -> np.ndarray:
  counts = counts + _SMOOTHING
  return np.log(counts / counts.sum(-1, keepdims=True))
