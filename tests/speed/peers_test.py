"""What ours is measured against: the same work, or the reason for none."""

import importlib.util
from collections.abc import Iterator

import jax
import jax.numpy as jnp
import pytest

from musegen_jax.speed import machine, peers, peers_flax, timing
from musegen_jax.speed.sizes import Sizes

SETTINGS = timing.Settings(rounds=1, cores=1, platform="cpu")
SIZES = Sizes(layers=2, width=3, hidden_size=5, batch=2, steps=4)


@pytest.fixture
def no_torch(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
  """A machine that torch is not installed on."""
  monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
  peers.torch_peers.cache_clear()
  yield
  peers.torch_peers.cache_clear()


def test_without_torch_a_row_says_how_to_get_it(no_torch: None) -> None:
  small = machine.Extent({"float32": 32}, 1 << 10)
  _, section = machine.measure(SETTINGS, small)
  for row in section.figures:
    assert row["not_measured"] == {
      "torch": "torch is missing: pip install torch"
    }
    assert row["min_ms"]["XLA"] > 0


def test_torch_multiplies_by_as_many_weights() -> None:
  pytest.importorskip("torch")
  module, _ = peers.torch_peers("cpu")
  for chain in (False, True):
    stack = module.Stack(SIZES, module.Form("float32", chain))
    matrices = [p for p in stack.parameters() if p.ndim == 2]
    assert sum(p.numel() for p in matrices) == SIZES.weights
    assert len(stack.parts) == (SIZES.layers if chain else 1)


def test_flax_multiplies_by_as_many_weights() -> None:
  inputs = jnp.zeros((SIZES.steps, SIZES.batch, SIZES.width))
  model = peers_flax.Stack(SIZES)
  shapes = jax.eval_shape(model.init, jax.random.key(0), inputs)
  matrices = [leaf for leaf in jax.tree.leaves(shapes) if leaf.ndim == 2]
  assert sum(leaf.size for leaf in matrices) == SIZES.weights


def test_a_gpu_takes_each_form_that_cudnn_treats_differently() -> None:
  pytest.importorskip("torch")
  module, _ = peers.torch_peers("cpu")
  gpu = timing.Settings(rounds=1, cores=0, platform="gpu")
  forms = module.forms(gpu, "bfloat16")
  assert forms["torch bf16"] == module.Form("bfloat16")
  assert forms["torch fp16 chain"] == module.Form("float16", chain=True)
  assert list(module.forms(gpu, "float32")) == ["torch TF32"]
