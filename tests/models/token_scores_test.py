"""Head and cross-entropy in one against optax and automatic differentiation."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from musegen_jax.models import token_scores
from musegen_jax.models.token_scores import TokenScores, score_tokens

N, H, V = 7, 5, 9


def draw(dtype: str) -> tuple[jax.Array, ...]:
  rng = np.random.default_rng(0)
  shapes = ((N, H), (H, V), (V,))
  floats = (jnp.asarray(rng.normal(size=s), dtype) for s in shapes)
  targets = jnp.asarray(rng.integers(0, V, N))
  weights = jnp.asarray(rng.uniform(0, 2, N), dtype).at[2].set(0)
  return *floats, targets, weights


def plain(
  outputs: jax.Array,
  head: jax.Array,
  bias: jax.Array,
  targets: jax.Array,
  weights: jax.Array,
) -> TokenScores:
  logits = outputs @ head + bias[None, :]
  nll = optax.softmax_cross_entropy_with_integer_labels(logits, targets)
  return TokenScores((nll * weights).sum(), nll, logits.argmax(-1) == targets)


def test_scores_and_gradients_are_those_of_logits() -> None:
  with jax.enable_x64(True):
    arrays = draw("float64")

    def both(score: object) -> tuple:
      def total(*floats: jax.Array) -> tuple:
        scores = score(*floats, *arrays[3:])
        return 3 * scores.total, scores

      return jax.value_and_grad(total, (0, 1, 2), has_aux=True)(*arrays[:3])

    for ours, theirs in zip(
      jax.tree.leaves(both(score_tokens)),
      jax.tree.leaves(both(plain)),
      strict=True,
    ):
      np.testing.assert_allclose(ours, theirs, rtol=1e-12, atol=1e-15)


def test_large_logits_neither_overflow_nor_lose_the_gradient() -> None:
  outputs, head, bias, targets, weights = draw("float32")
  bias = bias.at[3].set(1e4)

  def total(bias: jax.Array) -> jax.Array:
    return score_tokens(outputs, head, bias, targets, weights).total

  value, gradient = jax.value_and_grad(total)(bias)
  assert np.isfinite(value) and np.isfinite(gradient).all()
  missed = float((weights * (targets != 3)).sum())
  assert float(gradient[3]) == pytest.approx(missed, rel=1e-5)


def test_the_first_of_equally_likely_guesses_counts() -> None:
  zeros = jnp.zeros((V, H)), jnp.zeros((H, V)), jnp.zeros(V)
  scores = score_tokens(*zeros, jnp.arange(V), jnp.ones(V))
  assert scores.correct.tolist() == [1.0] + [0.0] * (V - 1)
  np.testing.assert_allclose(scores.nll, np.log(V), rtol=1e-6)


def test_gradients_keep_the_dtypes_of_what_they_belong_to() -> None:
  outputs, head, bias, targets, weights = draw("float32")
  rough = outputs.astype("bfloat16")

  def total(*floats: jax.Array) -> jax.Array:
    return score_tokens(*floats, targets, weights).total

  found = jax.grad(total, (0, 1, 2))(rough, head, bias)
  assert [g.dtype for g in found] == ["bfloat16", "float32", "float32"]
  exact = jax.grad(total, (0, 1, 2))(rough.astype("float32"), head, bias)
  for ours, theirs in zip(found, exact, strict=True):
    error = np.linalg.norm(ours.astype("float32") - theirs)
    assert error < 1e-2 * np.linalg.norm(theirs)


def test_the_backward_pass_keeps_nothing_as_wide_as_the_vocabulary() -> None:
  outputs, head, bias, targets, weights = draw("float32")

  def total(*floats: jax.Array) -> jax.Array:
    return score_tokens(*floats, targets, weights).total

  _, backward = jax.vjp(total, outputs, head, bias)
  kept = {leaf.shape for leaf in jax.tree.leaves(backward)}
  assert (N, H) in kept and (N, V) not in kept


def test_logits_sum_in_float32() -> None:
  outputs = jnp.full((1, 512), 1.0, "bfloat16")
  head = jnp.full((512, 1), 1 + 1 / 128)
  logits = token_scores.logits(outputs, head, jnp.zeros(1))
  assert (logits.dtype, float(logits[0, 0])) == ("float32", 516.0)
