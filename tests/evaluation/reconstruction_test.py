"""Accuracies by hand, and z that always comes from another piece."""

import jax.numpy as jnp
import numpy as np
import pytest

from musegen_jax.evaluation import decoding, reconstruction
from tests.evaluation.tiny_vae import CODEC, MODEL, init, melody_of, windows


def test_compared_by_hand() -> None:
  original = melody_of("60 - - - 62 - x - 64 - - - . . . .")
  made = melody_of("60 - - 61 62 - - - 65 - - - . . . .")
  found = reconstruction.compare(original[None], made[None], CODEC)
  assert [float(part[0]) for part in vars(found).values()] == [12, 3, 9, 2]


def test_the_decoder_hears_the_original_or_itself() -> None:
  params, tokens = init(), windows(5)
  z = np.random.default_rng(0).normal(size=(5, 3)).astype(np.float32)
  forced = reconstruction.teacher_forced(params, MODEL, CODEC, z, tokens)
  inputs = jnp.roll(jnp.asarray(tokens, jnp.int32), 1, 1)
  inputs = inputs.at[:, 0].set(CODEC.begin)
  logits = MODEL.apply({"params": params}, z, inputs, method="decode")
  may = np.where(decoding.allowed(CODEC), 0, -np.inf)
  guessed = np.asarray(logits + may[None, None]).argmax(-1)
  expected = reconstruction.compare(tokens, guessed, CODEC)
  np.testing.assert_array_equal(forced.correct, expected.correct)
  # What it says itself it says again: the reconstruction of that is perfect.
  pads = tokens == CODEC.pad
  own = decoding.decode(params, MODEL, CODEC, z, pads).astype(np.int16)
  for way in (reconstruction.free_running, reconstruction.teacher_forced):
    found = way(params, MODEL, CODEC, z, own)
    np.testing.assert_array_equal(found.correct, found.steps)
  strange = reconstruction.free_running(params, MODEL, CODEC, z, tokens)
  assert (strange.correct < found.steps).all()


def test_another_piece_of_the_same_group() -> None:
  rng = np.random.default_rng(0)
  piece = rng.permutation(np.repeat(np.arange(10), rng.integers(1, 9, 10)))
  group = rng.integers(0, 2, len(piece))
  chosen = np.zeros((len(piece), len(piece)), int)
  for seed in range(400):
    other = reconstruction.other_piece(piece, group, seed)
    assert (piece[other] != piece).all() and (group[other] == group).all()
    chosen[np.arange(len(piece)), other] += 1
  # Every one that may be taken is, about as often as any other.
  may = (piece[:, None] != piece[None]) & (group[:, None] == group[None])
  np.testing.assert_array_equal(chosen > 0, may)
  expected = 400 / may.sum(1, keepdims=True)
  error = np.abs(chosen - expected)[may] / np.sqrt(
    np.broadcast_to(expected, may.shape)[may]
  )
  assert error.max() < 5


def test_where_there_is_no_other_piece() -> None:
  piece, group = np.array([3, 3, 8, 8]), np.array([1, 1, 1, 0])
  assert reconstruction.other_piece(piece, group, 0)[:2].tolist() == [2, 2]
  assert reconstruction.other_piece(piece, group, 0)[3] == -1
  assert reconstruction.strangers(piece, group, 0)[3] in (0, 1)
  assert reconstruction.strangers(piece[:2], group[:2], 0).tolist() == [-1, -1]


@pytest.mark.parametrize("seed", [0, 1])
def test_strangers_have_as_many_steps(seed: int) -> None:
  tokens = windows(30)
  length = (tokens != CODEC.pad).sum(1)
  other = reconstruction.strangers(np.arange(30) // 4, length, seed)
  np.testing.assert_array_equal(length[other], length)
