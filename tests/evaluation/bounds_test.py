"""Bounds against models whose likelihood is known in closed form.

The linear-Gaussian one: z ~ N(0, I), x = A z + s e, so that x ~ N(0, A A' +
s^2 I). With orthogonal columns in A its posterior is diagonal.
"""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from musegen_jax.evaluation import bounds, latent_space
from musegen_jax.models import gaussian
from musegen_jax.models.gaussian import Gaussian
from tests.evaluation.tiny_vae import CODEC, MODEL, init, windows

NOISE = 0.7
COLUMNS = np.linalg.qr(np.random.default_rng(0).normal(size=(5, 2)))[0]
A = COLUMNS * np.array([[1.5, 0.6]])
X = np.random.default_rng(1).normal(size=(3, 5))


def log_normal(
  x: np.ndarray, mean: np.ndarray, covariance: np.ndarray
) -> float:
  centred = x - mean
  squares = centred @ np.linalg.solve(covariance, centred)
  return -0.5 * (squares + np.linalg.slogdet(2 * np.pi * covariance)[1])


def exact_nll() -> np.ndarray:
  covariance = A @ A.T + NOISE**2 * np.eye(5)
  return np.array([-log_normal(x, np.zeros(5), covariance) for x in X])


def true_posterior() -> Gaussian:
  precision = 1 + (A**2).sum(0) / NOISE**2
  mean = X @ A / NOISE**2 / precision[None]
  log_variance = np.tile(-np.log(precision), (len(X), 1))
  return Gaussian(mean.astype(np.float32), log_variance.astype(np.float32))


def samples_of(posterior: Gaussian, count: int, seed: int) -> bounds.Samples:
  noise = np.random.default_rng(seed).normal(size=(count, len(X), 2))
  noise = noise.astype(np.float32)
  z = np.asarray(gaussian.sample(posterior, noise), np.float64)
  errors = X[None] - z @ A.T
  log_likelihood = -0.5 * (
    (errors**2).sum(-1) / NOISE**2 + 5 * np.log(2 * np.pi * NOISE**2)
  )
  ratio = np.asarray(bounds.log_ratio(posterior, noise), np.float64)
  return bounds.Samples(log_likelihood, ratio)


def test_the_true_posterior_makes_every_draw_exact() -> None:
  samples = samples_of(true_posterior(), 20, 0)
  weights = samples.log_likelihood + samples.log_ratio
  np.testing.assert_allclose(weights, np.tile(-exact_nll(), (20, 1)), rtol=1e-5)
  for count in (1, 20):
    np.testing.assert_allclose(samples.bound(count), exact_nll(), rtol=1e-5)


def test_a_wrong_posterior_falls_to_the_likelihood() -> None:
  wrong = Gaussian(
    np.zeros((3, 2), np.float32), np.full((3, 2), 0.3, np.float32)
  )
  samples = samples_of(wrong, 200_000, 1)
  many = samples.bound(200_000)
  np.testing.assert_allclose(many, exact_nll(), rtol=5e-3)
  # One draw is the ELBO: the likelihood and the divergence from the truth.
  truth = true_posterior()
  ratio = np.exp(wrong.log_variance - truth.log_variance)
  shift = (truth.mean - wrong.mean) ** 2 / np.exp(truth.log_variance)
  divergence = 0.5 * (ratio + shift - 1 - np.log(ratio)).sum(1)
  weights = samples.log_likelihood + samples.log_ratio
  np.testing.assert_allclose(
    -weights.mean(0), exact_nll() + divergence, rtol=0.02
  )
  means = [
    np.mean(
      [
        -bounds.log_mean_exp(weights[start : start + count])
        for start in range(0, 40_000, 100)
      ],
      axis=0,
    )
    for count in (1, 8, 64)
  ]
  assert (means[0] > means[1]).all() and (means[1] > means[2]).all()
  assert (means[2] > exact_nll() - 0.05).all()


def test_kl_is_the_integral() -> None:
  mean, log_variance = 0.8, -1.2
  z = np.linspace(-12, 12, 200_001)
  log_q = -0.5 * (
    (z - mean) ** 2 / np.exp(log_variance) + log_variance + np.log(2 * np.pi)
  )
  log_p = -0.5 * (z**2 + np.log(2 * np.pi))
  integral = np.trapezoid(np.exp(log_q) * (log_q - log_p), z)
  posterior = Gaussian(
    np.full((1, 1), mean, np.float32), np.full((1, 1), log_variance, np.float32)
  )
  kl = float(gaussian.kl_to_standard(posterior)[0, 0])
  assert kl == pytest.approx(integral, rel=1e-5)


def test_ratio_keeps_its_digits_where_the_posterior_is_narrow() -> None:
  rng = np.random.default_rng(0)
  mean = rng.normal(size=(2, 3)).astype(np.float32)
  narrow = Gaussian(mean, np.full((2, 3), -20, np.float32))
  noise = rng.normal(size=(4, 2, 3)).astype(np.float32)
  z = mean[None] + np.exp(-10.0) * noise.astype(np.float64)
  expected = 0.5 * (noise.astype(np.float64) ** 2 - z**2 - 20).sum(-1)
  np.testing.assert_allclose(
    bounds.log_ratio(narrow, noise), expected, rtol=1e-6
  )


def test_log_mean_exp_of_unlikely_windows() -> None:
  values = np.array([[-5000.0, 0.0], [-5000.0, -np.inf]])
  result = bounds.log_mean_exp(values)
  np.testing.assert_allclose(result, [-5000.0, -np.log(2)])


def draw(
  params: dict, tokens: np.ndarray, numbers: np.ndarray, samples: int, seed: int
) -> bounds.Samples:
  posterior = latent_space.encode(params, MODEL, tokens, batch_size=8)
  return bounds.sample(
    params,
    MODEL,
    CODEC,
    tokens,
    posterior,
    numbers,
    samples=samples,
    seed=seed,
  )


def test_windows_by_hand_and_pads_never_count() -> None:
  params, tokens = init(), windows(4)
  found = draw(params, tokens, np.arange(4), bounds.CHUNK, seed=3)
  posterior = latent_space.encode(params, MODEL, tokens, batch_size=8)
  noise = np.asarray(bounds.noise_of(3, np.arange(4), 0, 3))
  for row, window in enumerate(tokens):
    own = Gaussian(*(part[row : row + 1] for part in posterior))
    z = gaussian.sample(own, noise[5, row : row + 1])
    inputs = jnp.append(CODEC.begin, window[:-1]).astype(jnp.int32)
    logits = MODEL.apply({"params": params}, z, inputs[None], method="decode")
    log_probs = np.asarray(jax.nn.log_softmax(logits[0]))
    real = (window != CODEC.pad).nonzero()[0]
    expected = log_probs[real, window[real]].sum()
    np.testing.assert_allclose(
      found.log_likelihood[5, row], expected, rtol=1e-5
    )
    ratio = gaussian.log_standard_density(z) - gaussian.log_density(own, z)
    np.testing.assert_allclose(found.log_ratio[5, row], ratio[0], atol=1e-4)


def test_draws_of_a_window_are_its_own() -> None:
  params, tokens = init(), windows(6)
  numbers = np.arange(10, 16)
  all_of_them = draw(params, tokens, numbers, 2 * bounds.CHUNK, seed=0)
  some = draw(params, tokens[2:4], numbers[2:4], 2 * bounds.CHUNK, seed=0)
  one = draw(params, tokens, numbers, 1, seed=0)
  other = draw(params, tokens, numbers, 1, seed=1)
  for name in ("log_likelihood", "log_ratio"):
    every = getattr(all_of_them, name)
    np.testing.assert_allclose(getattr(some, name), every[:, 2:4], rtol=1e-4)
    np.testing.assert_allclose(getattr(one, name), every[:1], rtol=1e-4)
    assert not np.allclose(getattr(other, name), every[:1])
  # No draw comes twice, neither in one window nor in two.
  noise = [bounds.noise_of(0, numbers, chunk, 3) for chunk in (0, 1)]
  assert len(np.unique(np.stack(noise))) == 2 * bounds.CHUNK * 6 * 3


def test_one_draw_is_the_elbo_in_expectation() -> None:
  params, tokens = init(), windows(2)
  found = draw(params, tokens, np.arange(2), 512, seed=0)
  posterior = latent_space.encode(params, MODEL, tokens, batch_size=8)
  kl = np.asarray(gaussian.kl_to_standard(posterior)).sum(1)
  elbo = -found.log_likelihood.mean(0) + kl
  single = -(found.log_likelihood + found.log_ratio)
  error = single.std(0) / np.sqrt(512)
  assert (np.abs(single.mean(0) - elbo) < 4 * error).all()
  assert (found.bound(512) < elbo).all()
