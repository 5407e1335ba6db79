"""Can two sets be told apart? A classifier two-sample test (Lopez-Paz & Oquab
2017): a fresh classifier learns to tell half of one set from half of the other,
and is asked about the rest.

Letters: N and M rows, F features, B batch.
"""

import math

import jax
import jax.numpy as jnp
import numpy as np
import optax

from musegen_jax.evaluation import bootstrap

HIDDEN = 128
STEPS = 300
BATCH = 256
LEARNING_RATE = 3e-3
WEIGHT_DECAY = 1.0


def auc(first: np.ndarray, second: np.ndarray, seed: int) -> float:
  """Area under the curve of a classifier on what it has not seen: 0.5 where
  the sets cannot be told apart, 1 where they always can.

  A perceptron with two hidden layers of 128 units. Chance alone moves the
  figure by about 0.4 / sqrt(rows of the smaller set).

  Args:
    first: [N, F], at least 4 rows; nan is taken for the feature's mean.
    second: [M, F], likewise.
    seed: of the halves, the classifier and its batches.
  """
  rng = np.random.default_rng((seed, len(first), len(second)))
  sets = [rng.permutation(part).astype(np.float64) for part in (first, second)]
  seen = [part[: len(part) // 2] for part in sets]
  rest = [part[len(part) // 2 :] for part in sets]
  lower, higher = _scored(rng, seen, rest)
  return rank_auc(higher, lower)


def scores(
  first: np.ndarray, second: np.ndarray, seed: int
) -> tuple[np.ndarray, np.ndarray]:
  """How much each row looks like one of the second set, to a classifier that
  has not seen it.

  Two classifiers as in `auc`, each trained on half of both sets and asked about
  the other. Their logits have no common scale: a score is a rank among the rows
  that one classifier is asked about, divided by their number, so that rank_auc
  of all of them is 0.5 in the mean for equal sets.

  Args:
    first: [N, F], at least 4 rows; nan is taken for the feature's mean.
    second: [M, F], likewise.
    seed: of the halves, the classifiers and their batches.

  Returns:
    Scores [N] and [M], float64, above 0 to 1.
  """
  sets = [np.asarray(part, np.float64) for part in (first, second)]
  rng = np.random.default_rng((seed, len(first), len(second)))
  orders = [rng.permutation(len(part)) for part in sets]
  halves = [np.array_split(order, 2) for order in orders]
  found = [np.zeros(len(part)) for part in sets]
  for fold in (0, 1):
    seen = [part[half[fold]] for part, half in zip(sets, halves, strict=True)]
    asked = [half[1 - fold] for half in halves]
    rest = [part[half] for part, half in zip(sets, asked, strict=True)]
    logits = _scored(rng, seen, rest)
    ranks = average_ranks(np.concatenate(logits))
    ranks /= len(ranks)
    found[0][asked[0]] = ranks[: len(asked[0])]
    found[1][asked[1]] = ranks[len(asked[0]) :]
  return found[0], found[1]


def standardised(rows: np.ndarray, reference: np.ndarray) -> np.ndarray:
  """Rows [N, F] less the mean of reference rows [M, F] over their deviation.

  float64; nan is left out of both and becomes 0, the mean. A feature that never
  changes in the reference says nothing: 0.
  """
  known = np.ma.masked_invalid(reference)
  mean, deviation = known.mean(0).filled(0), known.std(0).filled(0)
  deviation = np.where(deviation > 1e-9, deviation, np.inf)
  return np.nan_to_num((rows - mean[None]) / deviation[None])


def _scored(
  rng: np.random.Generator, seen: list[np.ndarray], rest: list[np.ndarray]
) -> list[np.ndarray]:
  """Logits of the rest of both sets, above 0 for the second, by a classifier
  trained on what is seen of them."""
  together = np.concatenate(seen)
  train, asked = (
    [standardised(part, together).astype(np.float32) for part in parts]
    for parts in (seen, rest)
  )
  # Each set gives half of every batch, whatever their sizes.
  batches = [
    rng.integers(0, len(part), (STEPS, BATCH // 2)).astype(np.int32)
    for part in train
  ]
  params = _train(_init(rng, together.shape[1]), train, batches)
  return [np.asarray(_logits(params, part)) for part in asked]


def auc_interval(
  first: np.ndarray,
  second: np.ndarray,
  *,
  level: float = 0.95,
  seed: int,
) -> tuple[float, float]:
  """Interval over pieces of rank_auc of `scores` [N] and [M].

  As wide as that of one of the two classifiers, which is asked about half of
  the rows: the two err together. Drawn from all rows the interval would be
  about 0.7 of what other pieces of the same sources give (measured with 100
  normal rows of 12 features, shifted by 0 to 0.6 deviations).
  """

  def area(ours: np.ndarray, theirs: np.ndarray) -> float:
    ours, theirs = (part[: len(part) // 2] for part in (ours, theirs))
    return rank_auc(second[theirs], first[ours])

  return bootstrap.statistic_interval(
    area,
    (len(first), len(second)),
    rank_auc(second, first),
    level=level,
    seed=seed,
    resamples=bootstrap.RESAMPLES,
  )


def rank_auc(higher: np.ndarray, lower: np.ndarray) -> float:
  """Probability that one of `higher` [M] lies above one of `lower` [N], ties
  counted half (Mann & Whitney 1947)."""
  ranks = average_ranks(np.concatenate([higher, lower]))[: len(higher)]
  wins = ranks.sum() - len(higher) * (len(higher) + 1) / 2
  return float(wins / (len(higher) * len(lower)))


def average_ranks(values: np.ndarray) -> np.ndarray:
  """Ranks of values [N] from 1, float64; ties share the mean of theirs."""
  _, which, counts = np.unique(values, return_inverse=True, return_counts=True)
  return (counts.cumsum() - (counts - 1) / 2)[which]


Params = list[tuple[jax.Array, jax.Array]]


def _init(rng: np.random.Generator, features: int) -> Params:
  """He initialisation of the three layers."""
  sizes = (features, HIDDEN, HIDDEN, 1)
  return [
    (
      (rng.standard_normal((a, b)) * math.sqrt(2 / a)).astype(np.float32),
      np.zeros(b, np.float32),
    )
    for a, b in zip(sizes[:-1], sizes[1:], strict=True)
  ]


@jax.jit
def _logits(params: Params, rows: jax.Array) -> jax.Array:
  """[B, F] -> [B]: above 0 for the second set."""
  for number, (kernel, bias) in enumerate(params):
    rows = rows @ kernel + bias[None]
    if number < len(params) - 1:
      rows = jax.nn.relu(rows)
  return rows[:, 0]


@jax.jit
def _train(
  params: Params, rows: list[jax.Array], batches: list[jax.Array]
) -> Params:
  tx = optax.adamw(LEARNING_RATE, weight_decay=WEIGHT_DECAY)
  labels = jnp.repeat(jnp.arange(2.0), BATCH // 2)

  def loss(params: Params, chosen: jax.Array) -> jax.Array:
    logits = _logits(params, chosen)
    return optax.sigmoid_binary_cross_entropy(logits, labels).mean()

  def step(state: tuple, numbers: list[jax.Array]) -> tuple:
    params, opt_state = state
    picked = [part[number] for part, number in zip(rows, numbers, strict=True)]
    gradient = jax.grad(loss)(params, jnp.concatenate(picked))
    updates, opt_state = tx.update(gradient, opt_state, params)
    return (optax.apply_updates(params, updates), opt_state), None

  start = (params, tx.init(params))
  return jax.lax.scan(step, start, batches)[0][0]
