"""The n-gram rows: order by validation, the LSTM's transpositions, scores."""

import numpy as np
import pytest

from musegen_jax.data import corpus
from musegen_jax.data.codecs import melody
from musegen_jax.evaluation import baselines
from musegen_jax.models import ngram

CODEC = melody.CODEC
PATTERN = np.array([40, 0, 44, 47, 0, 44, 52, 1])


def make_corpus(shifts: list[int], noise: float) -> corpus.Corpus:
  """A tune in several keys, with random classes strewn in."""
  rng = np.random.default_rng(len(shifts))
  pieces = []
  for shift in shifts:
    tune = np.tile(CODEC.transpose(PATTERN.astype(np.int16), shift), 6)
    strewn = rng.random(len(tune)) < noise
    tune[strewn] = rng.integers(0, 90, strewn.sum())
    pieces.append(CODEC.framed(tune))
  return corpus.from_pieces(pieces, [{}] * len(pieces), {})


def test_augmented_has_every_allowed_key_once() -> None:
  high = CODEC.framed(np.array([90 - 2, 0], np.int16))  # one semitone of room
  low = CODEC.framed(np.array([50, 1], np.int16))
  data = corpus.from_pieces([high, low], [{}] * 2, {})
  pieces = baselines.augmented(data, CODEC, 3)
  assert [p[1] for p in pieces] == [*range(85, 90), *range(47, 54)]


def test_transposition_is_chosen_where_it_helps() -> None:
  train = make_corpus([-4, -1, 3, 5], noise=0.05)
  other_keys = make_corpus([-3, 0, 2], noise=0.05)
  unigram, best = baselines.fit(train, other_keys, CODEC, 5)
  assert unigram.order == 1
  assert best.name.endswith("transposed ±5")
  same_keys = make_corpus([-4, -1, 3, 5, 5], noise=0.05)
  _, plain = baselines.fit(train, same_keys, CODEC, 0)
  assert "transposed" not in plain.name
  assert 2 <= plain.order <= baselines.MAX_ORDER


def test_scores_are_those_of_the_model() -> None:
  data = make_corpus([0, 2], noise=0.1)
  model = ngram.fit(
    [data.piece(0), data.piece(1)], CODEC.vocab_size, CODEC.predictable, 4
  )
  baseline = baselines.Baseline("", model, 3)
  scores = baselines.score(baseline, data)
  for index in range(2):
    piece = data.piece(index)
    log_probs = ngram.token_log_probs(model, piece, 3)
    assert scores.nll[index] == pytest.approx(-log_probs.sum())
    guesses = [
      ngram.next_probs(model, [piece[:end]], 3)[0].argmax()
      for end in range(1, len(piece))
    ]
    assert scores.correct[index] == (np.array(guesses) == piece[1:]).sum()
    assert scores.events[index] == len(piece) - 1
