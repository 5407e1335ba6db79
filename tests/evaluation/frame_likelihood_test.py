"""Scores are those of each piece alone, however the pieces are laid out."""

import jax
import numpy as np
import pytest

from musegen_jax.evaluation import frame_likelihood
from musegen_jax.models import frame_features
from tests import toy_rolls
from tests.models import toy_frames

LENGTHS = np.array([3, 17, 1, 20, 9, 2])
MODEL = toy_frames.make("autoregressive", articulation=True)
ROLLS = [toy_frames.music(n, seed=n) for n in LENGTHS.tolist()]


@pytest.fixture(scope="module")
def heard() -> frame_features.Heard:
  split = toy_rolls.of_pieces(*ROLLS)
  return frame_features.of_rolls(split, MODEL.low, MODEL.keys, "x")


@pytest.fixture(scope="module")
def alone() -> np.ndarray:
  """Nats of every frame, a piece at a time."""
  parts = []
  for roll in ROLLS:
    # All as long as the longest; no frame hears what follows it.
    padded = np.zeros((LENGTHS.max(), 88), np.uint8)
    padded[: len(roll)] = roll
    features = toy_frames.features_of(MODEL, padded)
    nll, _ = toy_frames.score(
      MODEL,
      toy_frames.params_of(MODEL),
      jax.tree.map(lambda a: a[None], features),
      padded[None],
      MODEL.zero_carry(1),
      np.zeros((1, len(padded)), bool),
    )
    parts.append(np.asarray(nll)[0, : len(roll)])
  return np.concatenate(parts)


@pytest.mark.parametrize(("batch_size", "window"), [(1, 64), (3, 5), (16, 7)])
def test_layout_changes_nothing(
  heard: frame_features.Heard,
  alone: np.ndarray,
  batch_size: int,
  window: int,
) -> None:
  params = toy_frames.params_of(MODEL)
  found = frame_likelihood.score(
    MODEL, params, heard, LENGTHS, batch_size=batch_size, window=window
  )
  assert found.dtype == np.float64
  np.testing.assert_allclose(found, alone, rtol=1e-5)


def test_pieces_may_be_chosen(
  heard: frame_features.Heard, alone: np.ndarray
) -> None:
  params, number = toy_frames.params_of(MODEL), np.repeat(np.arange(6), LENGTHS)
  total = np.zeros_like(alone)
  # As three processes share them, one of which has none.
  for pieces in (range(0, 6, 2), range(1, 6, 2), range(6, 6)):
    found = frame_likelihood.score(
      MODEL, params, heard, LENGTHS, pieces=pieces, batch_size=3, window=5
    )
    assert not found[~np.isin(number, pieces)].any()
    total += found
  np.testing.assert_allclose(total, alone, rtol=1e-5)
