"""Posteriors in batches, what z tells, and the Gaussian to draw from."""

import pathlib
import types

import numpy as np
import pytest

from musegen_jax import config as config_lib
from musegen_jax.data import shards
from musegen_jax.errors import UserError
from musegen_jax.evaluation import latent_space
from musegen_jax.evaluation.attributes import NAMES
from musegen_jax.evaluation.latent_space import LatentSpace
from musegen_jax.models import vae
from musegen_jax.models.gaussian import Gaussian
from tests.evaluation import vae_runs
from tests.evaluation.tiny_vae import CODEC, MODEL, init, windows


def test_batches_change_nothing() -> None:
  params, tokens = init(), windows(7)
  whole = MODEL.apply(
    {"params": params}, tokens.astype(np.int32), method="encode"
  )
  for size in (3, 16):
    found = latent_space.encode(params, MODEL, tokens, batch_size=size)
    for part, expected in zip(found, whole, strict=True):
      assert part.shape == (7, 3) and part.dtype == np.float32
      np.testing.assert_allclose(part, expected, atol=1e-5)


def test_units_that_vary_are_active() -> None:
  rng = np.random.default_rng(0)
  deviations = np.array([[1.0, 0.2, 0.05, 0.0]])
  mean = 3 + deviations * rng.normal(size=(4000, 4))
  assert latent_space.active_units(mean.astype(np.float32)) == 2


def test_information_of_posteriors_apart_and_together() -> None:
  apart = np.zeros((600, 2), np.float32)
  apart[:, 0] = 100 * np.arange(600)
  flat = np.zeros_like(apart)
  everything = latent_space.mutual_information(Gaussian(apart, flat), 0)
  assert everything == pytest.approx(np.log(600), abs=1e-4)
  nothing = latent_space.mutual_information(Gaussian(flat + 3, flat - 1), 0)
  assert nothing == pytest.approx(0, abs=1e-5)


def test_information_of_gaussians_is_known() -> None:
  mean = np.random.default_rng(7).normal(size=(6000, 2)).astype(np.float32)
  log_variance = np.full_like(mean, np.log(0.5))
  found = latent_space.mutual_information(Gaussian(mean, log_variance), 0)
  # Channels of signal variance 1 and noise variance 1/2: ln(3) / 2 each.
  assert found == pytest.approx(np.log(3), abs=0.05)


def space(**changes: object) -> LatentSpace:
  root = np.array([[1.0, 0, 0], [0.5, 2.0, 0], [0, -0.3, 0.2]])
  parts = {
    "mean": np.array([1.0, -2.0, 0.5]),
    "covariance": root @ root.T,
    "names": ("a", "b"),
    "vectors": np.array(
      [[[1, 2, 3], [0, 4, 0]], [[0, 0, 0], [0, 0, 0]]], np.float32
    ),
    "deviations": np.array([0.5, 0.0]),
    "windows": 12,
    "params_hash": "abc",
  }
  return LatentSpace(**(parts | changes))


def test_fit_has_the_moments_of_all_posteriors_together() -> None:
  params, tokens = init(), windows(40)
  found = latent_space.fit(params, MODEL, CODEC, tokens)
  posterior = latent_space.encode(params, MODEL, tokens)
  noise = np.random.default_rng(0).normal(size=(20_000, 40, 3))
  z = posterior.mean + np.exp(posterior.log_variance / 2) * noise
  z = z.reshape(-1, 3)
  scale = np.sqrt(np.diag(found.covariance))
  np.testing.assert_allclose(z.mean(0), found.mean, atol=0.01 * scale.max())
  error = np.cov(z, rowvar=False) - found.covariance
  assert np.abs(error / np.outer(scale, scale)).max() < 0.01
  assert found.names == NAMES and found.vectors.shape == (len(NAMES), 2, 3)
  assert found.windows == 40


def test_save_and_load(tmp_path: pathlib.Path) -> None:
  path, saved = tmp_path / "latent-5.npz", space()
  saved.save(path)
  again = latent_space.load(path)
  for name, part in vars(saved).items():
    np.testing.assert_array_equal(getattr(again, name), part)
  assert again.names == ("a", "b") and isinstance(again.params_hash, str)
  assert [found.name for found in tmp_path.iterdir()] == [path.name]


def test_vectors_by_name() -> None:
  assert space().move("a", 2.0).tolist() == [2, 4, 6]
  assert space().move("a", -0.5).tolist() == [0, 2, 0]
  with pytest.raises(UserError, match="no attribute 'c'; choose from a, b"):
    space().move("c", 1.0)
  with pytest.raises(UserError, match="'b' is undefined or the same"):
    space().move("b", 1.0)


def test_draws_have_the_moments_and_stand_alone() -> None:
  noise = np.random.default_rng(0).normal(size=(20_000, 3))
  z = latent_space.draw(space(), noise, 0.5)
  assert z.dtype == np.float32
  np.testing.assert_allclose(z.mean(0), space().mean, atol=0.03)
  np.testing.assert_allclose(
    np.cov(z, rowvar=False), 0.25 * space().covariance, atol=0.03
  )
  alone = latent_space.draw(space(), noise[17:18], 0.5)
  np.testing.assert_array_equal(alone[0], z[17])
  still = latent_space.draw(space(), noise[:2], 0.0)
  np.testing.assert_allclose(still, [space().mean] * 2)
  prior = latent_space.draw(None, noise, 2.0)
  np.testing.assert_array_equal(prior, (2 * noise).astype(np.float32))


@pytest.mark.parametrize(("count", "limit"), [(5, 9), (9, 9), (1000, 7)])
def test_evenly_spread(count: int, limit: int) -> None:
  chosen = latent_space.evenly(count, limit)
  assert len(chosen) == min(count, limit) == len(set(chosen.tolist()))
  gaps = np.diff(chosen)
  assert gaps.max() - gaps.min() <= 1
  assert 0 <= chosen[0] < gaps[0] and 0 < count - chosen[-1] <= gaps[0]


@pytest.fixture
def checkpoint(
  tiny_dataset: pathlib.Path, tmp_path: pathlib.Path
) -> types.SimpleNamespace:
  return vae_runs.vae_run(tiny_dataset, tmp_path / "run")


def of(loaded: types.SimpleNamespace, data_dir: str = "") -> LatentSpace:
  config = config_lib.from_dict(loaded.meta["config"])
  model = vae.from_config(config, CODEC)
  return latent_space.of_checkpoint(loaded, model, CODEC, data_dir)


def test_is_kept_beside_the_checkpoint(
  checkpoint: types.SimpleNamespace, monkeypatch: pytest.MonkeyPatch
) -> None:
  first = of(checkpoint)
  path = checkpoint.path.parent.parent / "latent-7.npz"
  assert latent_space.path_of(checkpoint.path) == path and path.exists()
  with monkeypatch.context() as patched:
    patched.setattr(shards, "open_dataset", None)  # nothing is measured now
    again = of(checkpoint)
  np.testing.assert_array_equal(again.vectors, first.vectors)
  path.write_bytes(path.read_bytes()[:100])
  np.testing.assert_array_equal(of(checkpoint).mean, first.mean)
  assert latent_space.load(path).params_hash == first.params_hash


def test_other_parameters_are_measured_again(
  checkpoint: types.SimpleNamespace,
) -> None:
  first = of(checkpoint)
  posterior = checkpoint.params["encoder"]["posterior"]
  posterior["bias"] = posterior["bias"] + 1
  np.testing.assert_allclose(of(checkpoint).mean, first.mean + 1, atol=1e-4)


def test_other_data_is_refused(
  checkpoint: types.SimpleNamespace, tiny_dataset: pathlib.Path
) -> None:
  checkpoint.meta["config"]["data"]["data_dir"] = "gone"
  with pytest.raises(UserError, match="gone"):
    of(checkpoint)
  assert of(checkpoint, str(tiny_dataset)).windows > 0
  latent_space.path_of(checkpoint.path).unlink()
  checkpoint.meta["data_fingerprint"] = "of another"
  with pytest.raises(UserError, match="is not the data .* was trained on"):
    of(checkpoint, str(tiny_dataset))
