"""Diagonal Gaussians against closed forms and brute force."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from musegen_jax.models import gaussian
from musegen_jax.models.gaussian import Gaussian


def make(rows: int, size: int, seed: int = 0) -> Gaussian:
  rng = np.random.default_rng(seed)
  return Gaussian(
    jnp.asarray(rng.normal(0, 1.5, (rows, size)), jnp.float32),
    jnp.asarray(rng.normal(-0.5, 0.7, (rows, size)), jnp.float32),
  )


def test_kl_equals_the_integral() -> None:
  mean, log_variance = (np.asarray(part) for part in make(3, 2))
  grid = np.linspace(-12, 12, 20001)[:, None, None]
  variance = np.exp(log_variance)
  q = np.exp(-0.5 * (grid - mean) ** 2 / variance) / np.sqrt(
    2 * np.pi * variance
  )
  log_p = -0.5 * (grid**2 + np.log(2 * np.pi))
  integrand = np.where(q > 1e-300, q * (np.log(q + 1e-300) - log_p), 0)
  expected = integrand.sum(0) * (grid[1, 0, 0] - grid[0, 0, 0])
  found = gaussian.kl_to_standard(Gaussian(mean, log_variance))
  np.testing.assert_allclose(found, expected, rtol=1e-4)


def test_samples_have_the_mean_and_the_variance() -> None:
  posterior = make(2, 3)
  noise = jax.random.normal(jax.random.key(0), (40_000, 2, 3))
  z = np.asarray(gaussian.sample(posterior, noise))
  np.testing.assert_allclose(z.mean(0), posterior.mean, atol=0.03)
  np.testing.assert_allclose(
    z.var(0), np.exp(posterior.log_variance), rtol=0.04
  )


def test_densities_agree_with_each_other() -> None:
  posterior = make(4, 5)
  points = jax.random.normal(jax.random.key(1), (6, 5))
  pairs = gaussian.pairwise_log_density(posterior, points)
  for row in range(4):
    one = Gaussian(*(jnp.tile(part[row], (6, 1)) for part in posterior))
    np.testing.assert_allclose(
      pairs[:, row], gaussian.log_density(one, points), rtol=1e-4
    )
  standard = Gaussian(jnp.zeros((6, 5)), jnp.zeros((6, 5)))
  np.testing.assert_allclose(
    gaussian.log_density(standard, points),
    gaussian.log_standard_density(points),
    rtol=1e-5,
  )


def test_discrepancy_of_equal_and_of_other_samples() -> None:
  first, second = np.random.default_rng(0).standard_normal((2, 400, 4))
  assert abs(float(gaussian.mmd(first, second))) < 0.02
  assert float(gaussian.mmd(first, second + 2)) > 0.3
  kernel = 0.0
  for scale in (0.2, 0.5, 1.0, 2.0, 5.0):
    c = 2 * 4 * scale

    def k(a: np.ndarray, b: np.ndarray, c: float = c) -> float:
      return c / (c + ((a - b) ** 2).sum())

    a, b = first[:3], second[:4]
    for s in (a, b):
      pairs = itertools.permutations(s, 2)
      kernel += np.mean([k(x, y) for x, y in pairs])
    kernel -= 2 * np.mean([[k(x, y) for y in b] for x in a])
  assert float(gaussian.mmd(a, b)) == pytest.approx(kernel, rel=1e-3)


def test_slerp_keeps_the_ends_and_the_length() -> None:
  first, second = jnp.array([2.0, 0, 0]), jnp.array([0, 4.0, 0])
  path = np.asarray(gaussian.slerp(first, second, 5))
  np.testing.assert_allclose(path[[0, -1]], [first, second], atol=1e-6)
  np.testing.assert_allclose(
    np.linalg.norm(path, axis=1), [2, 2.5, 3, 3.5, 4], rtol=1e-5
  )
  angle = np.degrees(np.arctan2(path[:, 1], path[:, 0]))
  np.testing.assert_allclose(angle, [0, 22.5, 45, 67.5, 90], atol=1e-4)


@pytest.mark.parametrize("factor", [1.0, -1.0, 0.0])
def test_slerp_where_no_circle_is_given(factor: float) -> None:
  first = jnp.array([1.0, 2, 3])
  path = np.asarray(gaussian.slerp(first, factor * first, 3))
  assert np.isfinite(path).all()
  np.testing.assert_allclose(path[[0, -1]], [first, factor * first], atol=1e-6)
