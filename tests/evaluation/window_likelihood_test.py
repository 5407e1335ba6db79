"""Windows under a language model: equal to a sum by hand, pads never count."""

import jax
import jax.numpy as jnp
import numpy as np

from musegen_jax.evaluation import window_likelihood
from musegen_jax.models import language_model
from tests.evaluation.tiny_vae import CODEC, windows

MODEL = language_model.LanguageModel(CODEC.vocab_size, 6, 8, 2)


def make_params() -> dict:
  tokens, carry = jnp.zeros((1, 1), jnp.int32), MODEL.zero_carry(1)
  return MODEL.init(jax.random.key(0), tokens, carry)["params"]


def test_equals_a_sum_by_hand() -> None:
  params, tokens = make_params(), windows(7)
  scores = window_likelihood.score(MODEL, params, tokens, CODEC, batch_size=4)
  for row, window in enumerate(tokens):
    inputs = np.append(CODEC.begin, window[:-1]).astype(np.int32)
    logits, _, _ = MODEL.apply(
      {"params": params}, inputs[None], MODEL.zero_carry(1)
    )
    log_probs = np.asarray(jax.nn.log_softmax(logits[0]))
    real = (window != CODEC.pad).nonzero()[0]
    nll = -log_probs[real, window[real]].sum()
    np.testing.assert_allclose(scores.nll[row], nll, rtol=1e-5)
    correct = (log_probs.argmax(1)[real] == window[real]).sum()
    assert scores.correct[row] == correct
    assert scores.events[row] == len(real)


def test_pads_cost_and_earn_nothing() -> None:
  params, tokens = make_params(), windows(3)

  def score(bias: float) -> window_likelihood.Scores:
    changed = params["head_bias"].at[CODEC.pad].set(bias)
    changed = params | {"head_bias": changed}
    return window_likelihood.score(MODEL, changed, tokens, CODEC, batch_size=4)

  assert np.isfinite(score(-np.inf).nll).all()
  assert (score(99.0).correct == 0).all()


def test_sums_of_pieces_that_have_a_window() -> None:
  values = np.array([1.0, 2.0, 4.0, 8.0])
  sums = window_likelihood.per_piece(values, np.array([5, 2, 5, 9]))
  assert sums.tolist() == [2.0, 5.0, 8.0]
