"""The hole: found where it was made, and what windows look like."""

import numpy as np
import pytest

from musegen_jax.data.codecs import drums
from musegen_jax.evaluation import decoding, hole, latent_space
from musegen_jax.models.gaussian import Gaussian
from tests.evaluation.latent_space_test import space
from tests.evaluation.tiny_vae import CODEC, MODEL, melody_of, windows


def test_features_by_hand() -> None:
  window = melody_of("62 - 64 - 50 - - - . . . . . . . .")
  [found] = hole.features(window[None], CODEC)
  begins, classes, intervals = np.split(found[5:], [16, 28])
  assert begins.nonzero()[0].tolist() == [0, 2, 4]
  expected = np.zeros(12)
  expected[[0, 2]] = 2 / 3, 1 / 3
  np.testing.assert_allclose(classes, expected)
  assert intervals.nonzero()[0].tolist() == [0, 14]  # -14 counts as -12; +2
  [higher] = hole.features(window[None] + 5 * CODEC.is_pitch[window], CODEC)
  np.testing.assert_allclose(higher[5:], found[5:])


def test_features_of_drums_count_each_of_them() -> None:
  beat = np.zeros((1, 16), int)
  beat[0, [0, 4, 8]] = 1, 2, 1
  [found] = hole.features(beat, drums.CODEC)
  assert found[5:21].nonzero()[0].tolist() == [0, 4, 8]
  assert sorted(found[21:])[-2:] == [1 / 16, 2 / 16]
  assert len(found) == 5 + 16 + 9


def test_the_prior_is_told_apart_and_the_fitted_gaussian_not(
  monkeypatch: pytest.MonkeyPatch,
) -> None:
  cluster = space()

  def encode(params: dict, model: object, tokens: np.ndarray) -> Gaussian:
    rng = np.random.default_rng(int(tokens.sum()) % 1000)
    noise = rng.normal(size=(len(tokens), 3))
    mean = latent_space.draw(cluster, noise)
    return Gaussian(mean, np.full_like(mean, -20))

  def decode(
    params: dict,
    model: object,
    codec: object,
    z: np.ndarray,
    pads: np.ndarray,
    seed: int,
  ) -> np.ndarray:
    # Windows like the real ones but for a drone where z is off the cluster.
    made = windows(len(z), seed=11)
    made[z[:, 2] < 0] = melody_of("40" + " 40" * 31)
    return np.where(pads, CODEC.pad, np.where(made == CODEC.pad, 0, made))

  monkeypatch.setattr(latent_space, "encode", encode)
  monkeypatch.setattr(decoding, "decode", decode)
  tokens = windows(1200)
  found = hole.measure({}, MODEL, CODEC, tokens, cluster, 0)
  assert found["windows"] == 600
  latent, decoded = found["latent"], found["decoded"]
  assert latent["posterior"] == pytest.approx(0.5, abs=0.06)
  assert latent["fitted"] == pytest.approx(0.5, abs=0.06)
  assert latent["prior"] > 0.95
  assert decoded["real"] == pytest.approx(0.5, abs=0.06)
  assert decoded["prior"] > decoded["fitted"] + 0.1
  again = hole.measure({}, MODEL, CODEC, tokens, cluster, 0)
  assert again == found


def test_a_handful_of_windows_says_nothing() -> None:
  assert hole.measure({}, MODEL, CODEC, windows(10), space(), 0) == {}
