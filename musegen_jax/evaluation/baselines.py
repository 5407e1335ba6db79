"""The n-gram rows that every model is measured against."""

import dataclasses
from collections.abc import Sequence

import numpy as np
import tqdm

from musegen_jax.data.codecs.codec import Codec
from musegen_jax.data.corpus import Corpus
from musegen_jax.evaluation.likelihood import Scores
from musegen_jax.models import ngram
from musegen_jax.models.cache import CacheUnigram

MAX_ORDER = 12
# Histories whose full distributions are held at once.
ACCURACY_BATCH = 1024
CACHE_STRENGTHS = tuple(2.0**k for k in range(2, 13))


@dataclasses.dataclass(frozen=True)
class Baseline:
  """A fitted n-gram.

  Attributes:
    name: as printed.
    model: the statistics.
    order: of them, chosen on the validation split.
  """

  name: str
  model: ngram.NGram
  order: int


def augmented(corpus: Corpus, codec: Codec, semitones: int) -> list[np.ndarray]:
  """Every piece in every transposition of -semitones..semitones it allows."""
  pieces = []
  for index in range(len(corpus)):
    tokens = corpus.piece(index)
    low, high = codec.shift_bounds(tokens)
    shifts = range(max(low, -semitones), min(high, semitones) + 1)
    pieces += [codec.transpose(tokens, shift) for shift in shifts]
  return pieces


def nll(baseline: Baseline, corpus: Corpus) -> np.ndarray:
  """Nats of each piece, float64 [P]."""
  return np.array(
    [
      -ngram.token_log_probs(
        baseline.model, corpus.piece(index), baseline.order
      ).sum()
      for index in range(len(corpus))
    ]
  )


def score(baseline: Baseline, corpus: Corpus) -> Scores:
  """Scores of each piece, like those of a trained model."""
  events = np.diff(corpus.offsets) - 1
  correct = [
    _correct(baseline, corpus.piece(index))
    for index in tqdm.trange(
      len(corpus), desc=baseline.name, unit=" pieces", delay=2
    )
  ]
  return Scores(
    nll(baseline, corpus), np.array(correct, float), events.astype(float)
  )


def _correct(baseline: Baseline, piece: np.ndarray) -> int:
  total = 0
  longest = max(baseline.order - 1, 1)
  for start in range(1, len(piece), ACCURACY_BATCH):
    ends = range(start, min(start + ACCURACY_BATCH, len(piece)))
    histories = [piece[max(0, end - longest) : end] for end in ends]
    probs = ngram.next_probs(baseline.model, histories, baseline.order)
    total += int((probs.argmax(-1) == piece[ends.start : ends.stop]).sum())
  return total


def fit_cache(unigram: Baseline, valid: Corpus, codec: Codec) -> CacheUnigram:
  """The adaptive unigram whose strength is best on the validation split."""
  begin = [np.array([codec.begin])]
  prior = ngram.next_probs(unigram.model, begin, order=1)[0]
  caches = [CacheUnigram(prior, strength) for strength in CACHE_STRENGTHS]

  def total(cache: CacheUnigram) -> float:
    return sum(cache.nll(valid.piece(i)) for i in range(len(valid)))

  return min(caches, key=total)


def score_cache(cache: CacheUnigram, corpus: Corpus) -> Scores:
  """Scores of each piece, like those of a trained model."""
  pieces = [corpus.piece(index) for index in range(len(corpus))]
  return Scores(
    np.array([cache.nll(piece) for piece in pieces]),
    np.array([cache.correct(piece) for piece in pieces], float),
    np.diff(corpus.offsets) - 1.0,
  )


def fit(
  train: Corpus, valid: Corpus, codec: Codec, semitones: int
) -> tuple[Baseline, Baseline]:
  """Fits the unigram and the best interpolated Kneser-Ney n-gram.

  The order, and whether the training pieces are also used in the
  transpositions the neural model saw, are chosen on the validation split.
  """
  variants: dict[str, Sequence[np.ndarray]] = {
    "": [train.piece(index) for index in range(len(train))]
  }
  if semitones:
    variants[f", transposed ±{semitones}"] = augmented(train, codec, semitones)
  best, best_nll, unigram = None, np.inf, None
  bar = tqdm.tqdm(
    total=len(variants) * MAX_ORDER, desc="fit n-grams", unit=" orders", delay=2
  )
  with bar:
    for suffix, pieces in variants.items():
      model = ngram.fit(pieces, codec.vocab_size, codec.predictable, MAX_ORDER)
      unigram = unigram or Baseline("unigram", model, 1)
      bar.update()
      for order in range(2, MAX_ORDER + 1):
        candidate = Baseline(f"{order}-gram Kneser-Ney{suffix}", model, order)
        total = nll(candidate, valid).sum()
        if total < best_nll:
          best, best_nll = candidate, total
        bar.update()
  return unigram, best
