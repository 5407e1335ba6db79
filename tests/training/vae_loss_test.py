"""The VAE's objective: free bits, warm-up, masks, rows, discrepancy."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from musegen_jax import config as config_lib
from musegen_jax.models import gaussian, vae
from musegen_jax.training import steps, vae_loss

MODEL = vae.VAE(
  vocab_size=13,
  embedding_size=5,
  encoder_size=6,
  hidden_size=8,
  layers=1,
  latent_size=3,
  begin=10,
  steps=8,
  pool_size=2,
  plan_size=2,
)
PAD = 12


def make_batch(rows: int = 4) -> dict[str, np.ndarray]:
  targets = np.random.default_rng(0).integers(0, 10, (rows, 8))
  targets[::2, 3] = targets[::2, 7] = PAD  # bars of three steps in four slots
  inputs = np.roll(targets, 1, axis=1)
  inputs[:, 0] = 10
  return {
    "inputs": inputs.astype(np.int32),
    "targets": targets.astype(np.int32),
    "mask": (targets != PAD).astype(np.float32),
    "reset": np.zeros((rows, 8), bool),
    "row": np.arange(rows),
  }


@pytest.fixture(scope="module")
def params() -> dict:
  batch = make_batch()
  noise = jnp.zeros((4, 3))
  key = jax.random.key(0)
  params = MODEL.init(key, batch["targets"], batch["inputs"], noise)["params"]
  # Far from the prior, so that the KL passes the free bits.
  return jax.tree.map(lambda leaf: 2 * leaf, params)


def loss_of(
  params: dict,
  batch: dict[str, np.ndarray],
  *,
  step: int = 1000,
  dropout: float = 0.0,
  **settings: float,
) -> tuple[float, dict[str, np.ndarray]]:
  """The loss on one device, and its outputs."""
  defaults = {"beta": 0.5, "warmup_steps": 100, "free_bits": 0.0}
  loss = vae_loss.make_loss(
    MODEL, config_lib.Vae(**(defaults | settings)), dropout, 0, 1000
  )
  on_device = jax.pmap(
    lambda batch: loss(params, batch, None, jnp.int32(step)),
    axis_name=steps.AXIS,
  )
  total, (outputs, _) = on_device(jax.tree.map(lambda a: a[None], batch))
  return float(total[0]), jax.tree.map(lambda a: np.asarray(a[0]), outputs)


def windows(outputs: dict, batch: dict, name: str) -> np.ndarray:
  return (outputs[name] * batch["mask"]).sum(1)


def test_objective_by_hand(params: dict) -> None:
  batch = make_batch()
  posterior = MODEL.apply({"params": params}, batch["targets"], method="encode")
  kl = np.asarray(gaussian.kl_to_standard(posterior)).sum(1)
  free_bits = float(np.median(kl)) / np.log(2)
  total, outputs = loss_of(params, batch, free_bits=free_bits)
  np.testing.assert_allclose(windows(outputs, batch, "kl"), kl, rtol=1e-5)
  paid = np.maximum(kl - np.median(kl), 0)
  assert (paid > 0).sum() == 2  # some above, some below
  expected = windows(outputs, batch, "nll") + 0.5 * paid
  found = windows(outputs, batch, "objective")
  np.testing.assert_allclose(found, expected, rtol=1e-5)
  assert total == pytest.approx(expected.sum(), rel=1e-5)


def test_below_the_free_bits_the_kl_has_no_gradient() -> None:
  def paid(kl: jax.Array) -> jax.Array:
    return vae_loss.kl_cost(kl, 0.7, 10.0).sum()

  nats = jnp.array([9.9, 10.1]) * jnp.log(2)
  np.testing.assert_allclose(jax.grad(paid)(nats), [0.0, 0.7], rtol=1e-6)


def test_the_weight_grows_to_beta(params: dict) -> None:
  batch = make_batch()
  weights = []
  for step in (0, 25, 100, 5000):
    _, outputs = loss_of(params, batch, step=step)
    paid = windows(outputs, batch, "objective") - windows(outputs, batch, "nll")
    weights.append((paid / windows(outputs, batch, "kl")).mean())
  np.testing.assert_allclose(weights, [0, 0.125, 0.5, 0.5], atol=1e-5)


def test_pads_are_never_scored(params: dict) -> None:
  batch = make_batch()
  _, outputs = loss_of(params, batch)
  before = windows(outputs, batch, "nll").sum()
  outputs["nll"] = np.where(batch["mask"] == 0, 1e9, outputs["nll"])
  assert windows(outputs, batch, "nll").sum() == before
  biased = params["decoder"]["head_bias"].at[PAD].add(-20.0)
  changed = params | {"decoder": params["decoder"] | {"head_bias": biased}}
  total, _ = loss_of(params, batch)
  # To think less of pad can only help: it is never the answer.
  assert loss_of(changed, batch)[0] <= total


@pytest.mark.parametrize(
  "settings",
  [
    {},
    {"word_dropout": 0.4},
    {"scheduled_sampling": 0.7},
    {"dropout": 0.3},
  ],
)
def test_a_row_is_drawn_by_its_number(params: dict, settings: dict) -> None:
  batch = make_batch(6)
  _, whole = loss_of(params, batch, step=600, **settings)
  part = {name: array[[1, 4]] for name, array in batch.items()}
  _, own = loss_of(params, part, step=600, **settings)
  np.testing.assert_allclose(own["nll"], whole["nll"][[1, 4]], rtol=1e-5)
  _, later = loss_of(params, batch, step=601, **settings)
  assert (np.abs(later["nll"] - whole["nll"]).max(1) > 1e-6).all()


def test_hidden_inputs_hide(params: dict) -> None:
  batch = make_batch()
  other = batch | {"inputs": batch["inputs"].copy()}
  other["inputs"][:, 1:] = 3
  same = [
    loss_of(params, each, word_dropout=1.0)[1]["nll"] for each in (batch, other)
  ]
  np.testing.assert_array_equal(*same)
  differs = [loss_of(params, each)[1]["nll"] for each in (batch, other)]
  assert np.abs(differs[0] - differs[1]).max() > 1e-3


def test_guesses_replace_inputs_but_pads_stay(params: dict) -> None:
  batch = make_batch()
  _, plain = loss_of(params, batch)
  _, none = loss_of(params, batch, step=0, scheduled_sampling=1.0)
  np.testing.assert_allclose(
    none["nll"], loss_of(params, batch, step=0)[1]["nll"]
  )
  _, guessed = loss_of(params, batch, scheduled_sampling=1.0)
  assert np.abs(guessed["nll"] - plain["nll"]).max() > 1e-3
  np.testing.assert_allclose(guessed["nll"][:, 0], plain["nll"][:, 0])


def test_discrepancy_counts_once_a_window(params: dict) -> None:
  batch = make_batch()
  plain, _ = loss_of(params, batch)
  one, _ = loss_of(params, batch, mmd_weight=1.0)
  ten, _ = loss_of(params, batch, mmd_weight=10.0)
  assert one != plain
  assert ten - plain == pytest.approx(10 * (one - plain), rel=1e-3)
