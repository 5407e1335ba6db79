"""Exact likelihoods of whole pieces, whatever the batch and the window."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from musegen_jax.data import corpus
from musegen_jax.data.codecs import melody
from musegen_jax.evaluation import likelihood
from musegen_jax.models import language_model

CODEC = melody.CODEC
MODEL = language_model.LanguageModel(CODEC.vocab_size, 6, 8, 2)


@pytest.fixture(scope="module")
def params() -> dict:
  tokens = jnp.zeros((1, 1), jnp.int32)
  carry = MODEL.zero_carry(1)
  return MODEL.init(jax.random.key(0), tokens, carry)["params"]


@pytest.fixture(scope="module")
def pieces() -> corpus.Corpus:
  rng = np.random.default_rng(0)
  tokens = [
    CODEC.framed(rng.integers(0, 90, length)) for length in (1, 30, 7, 64, 12)
  ]
  return corpus.from_pieces(tokens, [{}] * 5, {})


def by_hand(params: dict, piece: np.ndarray) -> tuple[float, int]:
  logits, _, _ = MODEL.apply(
    {"params": params}, piece[None, :-1].astype(np.int32), MODEL.zero_carry(1)
  )
  log_probs = np.asarray(jax.nn.log_softmax(logits[0]))
  targets = piece[1:]
  nll = -log_probs[np.arange(len(targets)), targets].sum()
  return nll, (log_probs.argmax(1) == targets).sum()


@pytest.mark.parametrize(("batch", "window"), [(1, 5), (2, 16), (8, 256)])
def test_equals_the_sum_over_each_piece(
  params: dict, pieces: corpus.Corpus, batch: int, window: int
) -> None:
  scores = likelihood.score(
    MODEL, [params], pieces, CODEC, batch_size=batch, window=window
  )
  for index in range(len(pieces)):
    piece = pieces.piece(index)
    nll, correct = by_hand(params, piece)
    assert scores.nll[index] == pytest.approx(nll, rel=1e-5)
    assert scores.correct[index] == correct
    assert scores.events[index] == len(piece) - 1


def test_pieces_not_chosen_score_nothing(
  params: dict, pieces: corpus.Corpus
) -> None:
  whole = likelihood.score(MODEL, [params], pieces, CODEC)
  part = likelihood.score(MODEL, [params], pieces, CODEC, pieces=[1, 4])
  assert part.nll[[0, 2, 3]].tolist() == [0, 0, 0]
  np.testing.assert_allclose(part.nll[[1, 4]], whole.nll[[1, 4]], rtol=1e-6)
  assert part.events.sum() == whole.events[[1, 4]].sum()


def test_places_are_those_in_the_piece(pieces: corpus.Corpus) -> None:
  model = language_model.LanguageModel(CODEC.vocab_size, 6, 8, 1, cycle=3)
  tokens = jnp.zeros((1, 1), jnp.int32)
  drawn = model.init(jax.random.key(0), tokens, model.zero_carry(1))["params"]
  scores = likelihood.score(
    model, [drawn], pieces, CODEC, batch_size=2, window=16
  )
  for index in range(len(pieces)):
    piece = pieces.piece(index)
    # In one go: the first token is at the first place.
    inputs = piece[None, :-1].astype(np.int32)
    logits, _, _ = model.apply({"params": drawn}, inputs, model.zero_carry(1))
    log_probs = np.asarray(jax.nn.log_softmax(logits[0]))
    nll = -log_probs[np.arange(len(piece) - 1), piece[1:]].sum()
    assert scores.nll[index] == pytest.approx(nll, rel=1e-5)


def test_tokens_add_up_to_the_scores(
  params: dict, pieces: corpus.Corpus
) -> None:
  scores = likelihood.score(MODEL, [params], pieces, CODEC)
  found = likelihood.token_scores(
    MODEL, [params], pieces, CODEC, np.arange(5), batch_size=2, window=16
  )
  for index, nll, correct in found:
    assert len(nll) == len(correct) == scores.events[index]
    assert nll.sum() == pytest.approx(scores.nll[index], rel=1e-5)
    assert correct.sum() == scores.correct[index]
