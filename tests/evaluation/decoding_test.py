"""Free-running decoding in batches, with pads where they belong."""

import jax
import jax.numpy as jnp
import numpy as np

from musegen_jax.evaluation import decoding
from tests.evaluation.tiny_vae import CODEC, MODEL, init, windows


def test_draws_follow_the_probabilities() -> None:
  probs = np.array([0.5, 0.0, 0.3, 0.2])
  uniforms = (np.arange(1000) + 0.5) / 1000
  logits = jnp.log(jnp.tile(jnp.asarray(probs), (1000, 1)))
  counts = np.bincount(decoding.draw(logits, jnp.asarray(uniforms)))
  assert counts.tolist() == [500, 0, 300, 200]
  top = decoding.draw(logits[:1], jnp.array([1 - 1e-8]))
  assert top.tolist() == [3]


def test_most_likely_tokens_one_by_one() -> None:
  params, tokens = init(), windows(3)
  z = np.random.default_rng(0).normal(size=(3, 3)).astype(np.float32)
  pads = tokens == CODEC.pad
  decoded = decoding.decode(params, MODEL, CODEC, z, pads)
  said = np.where(pads, CODEC.pad, 0).astype(np.int32)
  may = np.where(decoding.allowed(CODEC), 0, -np.inf)
  score = jax.jit(
    lambda inputs: MODEL.apply({"params": params}, z, inputs, method="decode")
  )
  for step in range(tokens.shape[1]):
    inputs = np.roll(said, 1, 1)
    inputs[:, 0] = CODEC.begin
    best = np.asarray(score(inputs)[:, step] + may[None]).argmax(-1)
    said[:, step] = np.where(pads[:, step], CODEC.pad, best)
  np.testing.assert_array_equal(decoded, said)
  assert len(np.unique(decoded)) > 3


def test_draws_are_repeated_by_their_seed() -> None:
  params, tokens = init(), windows(5)
  z, pads = np.zeros((5, 3), np.float32), tokens == CODEC.pad
  first, again, other = (
    decoding.decode(params, MODEL, CODEC, z, pads, seed) for seed in (0, 0, 1)
  )
  np.testing.assert_array_equal(first, again)
  assert (first != other).any() and (first[0] != first[3]).any()
  np.testing.assert_array_equal(first == CODEC.pad, pads)
  assert not np.isin(first, (CODEC.begin, CODEC.end)).any()
