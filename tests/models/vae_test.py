"""The VAE's network: both directions, segments, stepwise decoding."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from musegen_jax.models import encoder, free_running, lstm, vae

SIZES = {
  "vocab_size": 13,
  "embedding_size": 5,
  "encoder_size": 6,
  "hidden_size": 8,
  "layers": 2,
  "latent_size": 3,
  "begin": 10,
  "steps": 12,
}
FORMS = {
  "flat": {},
  "flat, planned": {"pool_size": 2, "plan_size": 3},
  "hierarchical": {"segments": 3, "conductor_size": 7},
  "hierarchical, planned": {"segments": 3, "conductor_size": 7, "plan_size": 2},
}
forms = pytest.mark.parametrize("form", FORMS)


def make(form: str) -> tuple[vae.VAE, dict, np.ndarray, np.ndarray]:
  """Network, parameters, tokens and decoder inputs [4, 12]."""
  model = vae.VAE(**SIZES, **FORMS[form])
  tokens = np.random.default_rng(0).integers(0, 10, (4, 12)).astype(np.int32)
  inputs = np.roll(tokens, 1, axis=1)
  inputs[:, 0] = 10
  variables = model.init(
    jax.random.key(0), tokens, inputs, jnp.zeros((4, 3), jnp.float32)
  )
  return model, variables["params"], tokens, inputs


def decode(
  model: vae.VAE, params: dict, z: jax.Array, inputs: jax.Array
) -> jax.Array:
  return model.apply({"params": params}, z, inputs, method="decode")


def test_both_directions_equal_two_plain_scans() -> None:
  rng = np.random.default_rng(0)
  recurrent = jnp.asarray(rng.normal(0, 0.3, (2, 5, 20)), jnp.float32)
  gates_in = jnp.asarray(rng.normal(0, 1, (2, 7, 3, 20)), jnp.float32)
  carry = lstm.initial_carry(1, 3, 5)

  def plain(direction: int, gates: jax.Array) -> jax.Array:
    params = lstm.single_layer(recurrent[direction][None])
    return lstm.lstm(params, gates, carry, implementation="scan")[0]

  turned = jnp.stack((gates_in[0], gates_in[1][::-1]))
  found = encoder.bidirectional(recurrent, turned)
  np.testing.assert_allclose(found[:, :, :5], plain(0, gates_in[0]), atol=1e-6)
  backward = plain(1, gates_in[1][::-1])[::-1]
  np.testing.assert_allclose(found[:, :, 5:], backward, atol=1e-6)


def test_every_step_moves_the_posterior() -> None:
  model, params, tokens, _ = make("flat")
  before = model.apply({"params": params}, tokens, method="encode").mean
  for step in range(12):
    changed = tokens.copy()
    changed[:, step] = (changed[:, step] + 1) % 10
    after = model.apply({"params": params}, changed, method="encode").mean
    assert (np.abs(after - before) > 1e-6).any(-1).all(), step


@forms
def test_no_step_hears_itself_or_what_follows(form: str) -> None:
  model, params, _, inputs = make(form)
  z = jnp.ones((4, 3))
  before = np.asarray(decode(model, params, z, inputs))
  changed = inputs.copy()
  changed[:, 6] = (changed[:, 6] + 1) % 10
  after = np.asarray(decode(model, params, z, changed))
  np.testing.assert_array_equal(after[:, :6], before[:, :6])
  assert (after[:, 6] != before[:, 6]).any()


def test_segments_share_nothing_but_z() -> None:
  model, params, _, inputs = make("hierarchical")
  z = jnp.ones((4, 3))
  before = np.asarray(decode(model, params, z, inputs))
  changed = inputs.copy()
  changed[:, 5] = (changed[:, 5] + 1) % 10  # in the segment of steps 4 to 7
  after = np.asarray(decode(model, params, z, changed))
  same = (after == before).all((0, 2))
  assert same.tolist() == [True] * 5 + [False] * 3 + [True] * 4
  # A new z changes every segment, each in its own way.
  other = np.asarray(decode(model, params, 2 * z, inputs))
  assert (other != before).any((0, 2)).all()


@forms
def test_stepwise_decoding_equals_the_whole(form: str) -> None:
  model, params, _, _ = make(form)
  z = jax.random.normal(jax.random.key(3), (4, 3))
  forced = np.full((4, 12), free_running.FREE, np.int32)
  forced[:, 7] = 12
  allowed = np.arange(13) < 10
  said = free_running.decode(
    params,
    z,
    forced,
    np.zeros((4, 12), np.float32),
    allowed,
    model=model,
    choose=free_running.most_likely,
  )
  assert (np.asarray(said)[:, 7] == 12).all()
  inputs = np.roll(said, 1, axis=1)
  inputs[:, 0] = 10
  logits = np.asarray(decode(model, params, z, inputs))
  guesses = np.where(allowed, logits, -np.inf).argmax(-1)
  free = forced == free_running.FREE
  np.testing.assert_array_equal(guesses[free], np.asarray(said)[free])


@forms
def test_segments_are_cut_and_joined(form: str) -> None:
  model = vae.VAE(**SIZES, **FORMS[form])
  rows = np.arange(48).reshape(4, 12)
  cut = vae.segment_inputs(jnp.asarray(rows), model.segments, begin=-1)
  assert cut.shape == (4 * model.segments, 12 // model.segments)
  assert (cut[:, 0] == -1).all()
  joined = np.asarray(vae.join_segments(cut, model.segments))
  np.testing.assert_array_equal(joined[joined >= 0], rows[joined >= 0])


@forms
def test_dropout_masks_meet_their_own_steps(form: str) -> None:
  model, params, _, inputs = make(form)
  masks = np.ones((2, 12, 4, 8), np.float32)
  plain = decode(model, params, jnp.ones((4, 3)), inputs)
  masks[1, 6, 2] = 0  # the top layer at one step of one window
  changed = model.apply(
    {"params": params}, jnp.ones((4, 3)), inputs, masks, method="decode"
  )
  differs = (np.abs(np.asarray(changed - plain)) > 1e-6).any(-1)
  assert differs.sum() == 1
  assert differs[2, 6]
