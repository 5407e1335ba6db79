"""The optax chain: schedule, decay, frozen parameters."""

import jax
import numpy as np
import pytest

from musegen_jax import config as config_lib
from musegen_jax.errors import UserError
from musegen_jax.training import optimizer

PARAMS = {
  "head": np.ones((2, 3), np.float32),
  "head_bias": np.ones(3, np.float32),
  "recurrent": np.ones((1, 2, 8), np.float32),
}
ZEROS = jax.tree.map(np.zeros_like, PARAMS)


def update(settings: config_lib.Optimizer, gradient: dict) -> dict:
  tx = optimizer.make(settings, 10, PARAMS)
  return tx.update(gradient, tx.init(PARAMS), PARAMS)[0]


def test_warm_up_and_cosine() -> None:
  settings = config_lib.Optimizer(learning_rate=0.5, warmup_steps=4)
  rate = optimizer.learning_rate(settings, 10)
  assert [float(rate(step)) for step in (0, 2, 4)] == [0, 0.25, 0.5]
  assert float(rate(7)) == pytest.approx(0.25)
  assert float(rate(10)) == pytest.approx(0, abs=1e-7)
  flat = config_lib.Optimizer(learning_rate=0.5, warmup_steps=0)
  assert float(optimizer.learning_rate(flat, 10)(0)) == 0.5


def test_decay_spares_biases() -> None:
  settings = config_lib.Optimizer(warmup_steps=0, weight_decay=0.1)
  moved = update(settings, ZEROS)
  assert (moved["head"] < 0).all() and (moved["recurrent"] < 0).all()
  assert (moved["head_bias"] == 0).all()


def test_frozen_parameters_have_no_update_and_no_state() -> None:
  settings = config_lib.Optimizer(warmup_steps=0, frozen="^recurrent$")
  moved = update(settings, PARAMS)
  assert (moved["recurrent"] == 0).all() and (moved["head"] != 0).all()
  tx = optimizer.make(settings, 10, PARAMS)
  sizes = [leaf.size for leaf in jax.tree.leaves(tx.init(PARAMS))]
  assert 16 not in sizes and sizes.count(6) == 2


@pytest.mark.parametrize(
  ("pattern", "says"), [("nothing", "matches no"), (".", "matches every")]
)
def test_patterns_that_freeze_nothing_or_all(pattern: str, says: str) -> None:
  settings = config_lib.Optimizer(warmup_steps=0, frozen=pattern)
  with pytest.raises(UserError, match=says):
    optimizer.make(settings, 10, PARAMS)
