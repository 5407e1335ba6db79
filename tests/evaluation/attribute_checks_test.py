"""Attribute vectors on a decoder whose every direction is known."""

import dataclasses

import numpy as np
import pytest

from musegen_jax.evaluation import (
  attribute_checks,
  attributes,
  decoding,
  latent_space,
)
from musegen_jax.models.gaussian import Gaussian
from tests.evaluation.latent_space_test import space
from tests.evaluation.tiny_vae import CODEC, MODEL, windows


@pytest.fixture
def by_hand(monkeypatch: pytest.MonkeyPatch) -> None:
  """z[0] raises the pitch of a note on every z[1]-th step."""

  def encode(params: dict, model: object, tokens: np.ndarray) -> Gaussian:
    mean = np.zeros((len(tokens), 3), np.float32)
    mean[:, 0], mean[:, 1] = 30 + np.arange(len(tokens)) % 5, 4
    return Gaussian(mean, np.zeros_like(mean))

  def decode(
    params: dict, model: object, codec: object, z: np.ndarray, pads: np.ndarray
  ) -> np.ndarray:
    begins = np.arange(pads.shape[1])[None] % z[:, 1:2].astype(int) == 0
    said = np.where(begins, 2 + z[:, :1].round().astype(int), 0)
    return np.where(pads, CODEC.pad, said)

  monkeypatch.setattr(latent_space, "encode", encode)
  monkeypatch.setattr(decoding, "decode", decode)


def test_the_matrix_of_known_directions(by_hand: None) -> None:
  vectors = np.zeros((5, 2, 3), np.float32)
  vectors[0, :, 1] = -2, 2  # denser: every second step; sparser: every sixth
  vectors[1, :, 0] = 3, -3  # three semitones
  vectors[2, :, 0] = 5, -5  # named after the interval, it moves the pitch
  known = dataclasses.replace(
    space(),
    names=attributes.NAMES,
    vectors=vectors,
    deviations=np.array([0.1, 6.0, 1.0, 1.0, 0.0]),
  )
  found = attribute_checks.measure({}, MODEL, CODEC, windows(150), known)
  assert found["windows"] == 100
  assert found["names"] == ["note_density", "mean_pitch", "mean_interval"]
  assert found["up"] == [1, 1, 0] and found["down"] == [1, 1, 0]
  assert found["moved"] == [1, 1, 0]
  density, pitch, interval = np.array(found["matrix"])
  assert density[0] > 1 and density[1] == 0
  np.testing.assert_allclose(pitch, [0, 0.5, 0], atol=1e-9)
  np.testing.assert_allclose(interval, [0, 5 / 6, 0], atol=1e-9)
