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
