"""The search for attribute vectors, on a decoder known in full."""

import numpy as np
import pytest

from musegen_jax.evaluation import attribute_vectors, attributes, decoding
from tests.evaluation.tiny_vae import CODEC, MODEL, windows


def test_what_is_the_right_way() -> None:
  before = np.array([1.0, 0.5, 0.5, np.nan, 1.0])
  after = np.array([1.0, 0.7, 0.5, 0.5, 0.9])

  def found(name: str, sign: int) -> list[list[bool]]:
    both = attribute_vectors.right_way(before, after, name, sign)
    return [part.tolist() for part in both]

  yes, no = True, False
  assert found("fraction_in_key", 1) == [
    [no, yes, no, no, no],
    [no, yes, yes, no, no],
  ]
  assert found("fraction_in_key", -1) == [
    [no, no, no, no, yes],
    [yes, yes, yes, no, yes],
  ]
  assert found("mean_pitch", 1)[1] == [yes, yes, yes, no, yes]


@pytest.fixture
def decoder(monkeypatch: pytest.MonkeyPatch) -> None:
  """z[0] is the pitch; the size of z[1] the interval, whatever its sign."""

  def decode(
    params: dict, model: object, codec: object, z: np.ndarray, pads: np.ndarray
  ) -> np.ndarray:
    turn = np.where(np.arange(pads.shape[1])[None] // 4 % 2, 1, -1)
    pitch = 40 + 4 * z[:, :1] + turn * 3 * np.abs(z[:, 1:2])
    said = 2 + np.clip(np.rint(pitch), 0, 87).astype(int)
    begins = np.arange(pads.shape[1])[None] % 4 == 0
    return np.where(pads, CODEC.pad, np.where(begins, said, 0))

  monkeypatch.setattr(decoding, "decode", decode)


def test_it_finds_what_raises_and_what_lowers(decoder: None) -> None:
  means = np.random.default_rng(0).normal(size=(300, 3)).astype(np.float32)
  means[:, 1] += 2
  tokens = np.resize(windows(300), (300, 32))
  found = attribute_vectors.find({}, MODEL, CODEC, tokens, means, seed=0)
  names = list(attributes.NAMES)
  pitch, interval = (
    found[names.index(name)] for name in ("mean_pitch", "mean_interval")
  )
  for vector, axis in ((pitch, 0), (interval, 1)):
    up, down = vector / np.linalg.norm(vector, axis=1, keepdims=True)
    assert up[axis] > 0.9 and down[axis] < -0.9
  # Every window has as many notes: no direction changes that.
  assert not found[names.index("note_density")].any()
  again = attribute_vectors.find({}, MODEL, CODEC, tokens, means, seed=0)
  np.testing.assert_array_equal(again, found)
