"""Ways between windows: pairs, distances, and a decoder made by hand."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.stats

from musegen_jax.evaluation import decoding, interpolation, latent_space
from musegen_jax.models import language_model
from musegen_jax.models.gaussian import Gaussian
from tests.evaluation.tiny_vae import CODEC, MODEL, windows


def test_rank_correlations_are_spearmans() -> None:
  rng = np.random.default_rng(0)
  rows = rng.integers(0, 4, (50, 9)) / 8
  rows = rows[np.ptp(rows, axis=1) > 0]
  expected = [scipy.stats.spearmanr(row, np.arange(9))[0] for row in rows]
  np.testing.assert_allclose(interpolation.rank_correlations(rows), expected)
  assert interpolation.rank_correlations(np.ones((1, 9))) == [0]


def test_distances_leave_pads_out() -> None:
  decoded = np.array([[[5, 6, 7, 9], [5, 8, 7, 9], [1, 2, 3, 8]]])
  pads = np.array([[False, False, False, True]])
  found = interpolation.distances(decoded, pads)
  np.testing.assert_allclose(found, [[0, 1 / 3, 1]])


def test_pairs_fit_together() -> None:
  piece, length = np.arange(60) // 5, np.arange(60) % 3
  chosen = interpolation.pairs(piece, length, 40, 0)
  first, second = chosen.T
  assert len(np.unique(first)) == 40
  assert (piece[first] != piece[second]).all()
  np.testing.assert_array_equal(length[first], length[second])


def test_cross_fades_take_from_both() -> None:
  first, second = np.zeros((200, 32)), np.ones((200, 32))
  share = interpolation.cross_fade(first, second, 0).mean()
  assert share == pytest.approx(0.5, abs=0.03)


@pytest.fixture
def by_hand(monkeypatch: pytest.MonkeyPatch) -> None:
  """z[0] is the pitch of every step up to z[1] (in steps), then silence."""

  def encode(params: dict, model: object, tokens: np.ndarray) -> Gaussian:
    onsets = (tokens[:, :1] - 2).astype(np.float32)
    steps = np.linspace(2, 30, len(tokens), dtype=np.float32)[:, None]
    mean = np.concatenate([onsets, steps, 0 * steps], 1)
    return Gaussian(mean, np.zeros_like(mean))

  def decode(
    params: dict, model: object, codec: object, z: np.ndarray, pads: np.ndarray
  ) -> np.ndarray:
    steps = np.arange(pads.shape[1])[None]
    said = np.where(steps < z[:, 1:2], 2 + z[:, :1].astype(int), 0)
    return np.where(pads, CODEC.pad, said)

  monkeypatch.setattr(latent_space, "encode", encode)
  monkeypatch.setattr(decoding, "decode", decode)


def test_a_steady_decoder_and_a_peer_that_likes_repeats(by_hand: None) -> None:
  tokens, piece = windows(60), np.arange(60) // 2
  peer = language_model.LanguageModel(CODEC.vocab_size, 4, 4, 1)
  params = peer.init(
    jax.random.key(0), jnp.zeros((1, 1), jnp.int32), peer.zero_carry(1)
  )["params"]
  plain = interpolation.measure({}, MODEL, CODEC, tokens, piece, None, 0)
  assert plain["pairs"] == 60 and "midpoints" not in plain
  value, low, high = plain["spearman"]
  assert 0 < low <= value <= high <= 1
  found = interpolation.measure(
    {}, MODEL, CODEC, tokens, piece, (peer, params), 0
  )
  middle = found["midpoints"]
  value, low, high = middle["difference"]
  assert value == pytest.approx(middle["decoded"] - middle["cross_fade"])
  assert low < value < high


def test_windows_of_one_piece_have_no_pairs(by_hand: None) -> None:
  one = np.zeros(6, int)
  assert not interpolation.measure({}, MODEL, CODEC, windows(6), one, None, 0)
