"""What is kept, what is loaded."""

import pathlib
import shutil

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from musegen_jax import config as config_lib
from musegen_jax.errors import UserError
from musegen_jax.models import language_model
from musegen_jax.training import checkpoints, optimizer, state, task

MODEL = language_model.LanguageModel(7, 6, 8, 2)


def make_state() -> state.State:
  tokens = jnp.zeros((1, 1), jnp.int32)
  params = task.draw_params(MODEL, 0, tokens, MODEL.zero_carry(1))
  tx = optimizer.make(config_lib.Optimizer(), 1000, params)
  return jax.device_get(state.init(tx, params, MODEL.zero_carry(4)))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
  """Five saves, the second of them the best."""
  workdir = tmp_path_factory.mktemp("checkpoints")
  begun = make_state()
  losses = {1: 3.0, 2: 1.0, 3: 2.0, 4: None, 5: 1.5}
  with checkpoints.open_manager(workdir / "checkpoints", keep=2) as manager:
    for step, loss in losses.items():
      marked = begun.replace(
        step=np.int32(step),
        params=begun.params | {"head_bias": np.full(7, step, np.float32)},
      )
      checkpoints.save(manager, marked, {"note": step}, loss)
  return workdir


def test_latest_and_best_are_kept(folder: pathlib.Path) -> None:
  kept = sorted(int(path.name) for path in (folder / "checkpoints").iterdir())
  assert kept == [2, 4, 5]


def test_a_run_means_its_best_checkpoint(folder: pathlib.Path) -> None:
  for path in (folder, folder / "checkpoints"):
    loaded = checkpoints.load(path)
    assert loaded.step == 2 and loaded.meta == {"note": 2}
  numbered = checkpoints.load(folder / "checkpoints" / "4")
  assert numbered.step == 4
  np.testing.assert_array_equal(numbered.params["head_bias"], np.full(7, 4.0))


def test_training_goes_on_from_the_latest(folder: pathlib.Path) -> None:
  with checkpoints.open_manager(folder / "checkpoints", keep=2) as manager:
    restored, meta = checkpoints.restore(manager, make_state())
  assert restored.step == 5 and meta == {"note": 5}
  expected = make_state().replace(step=np.int32(5))
  expected.params["head_bias"] = np.full(7, 5.0, np.float32)
  assert jax.tree.structure(restored) == jax.tree.structure(expected)
  for a, b in zip(
    jax.tree.leaves(restored), jax.tree.leaves(expected), strict=True
  ):
    np.testing.assert_array_equal(a, b)


def test_nothing_there(tmp_path: pathlib.Path) -> None:
  with checkpoints.open_manager(tmp_path / "checkpoints", keep=2) as manager:
    assert checkpoints.restore(manager, make_state()) is None
  with pytest.raises(UserError, match="steps there: none"):
    checkpoints.load(tmp_path)


def test_wrong_number(folder: pathlib.Path) -> None:
  with pytest.raises(UserError, match="steps there: 2, 4, 5"):
    checkpoints.load(folder / "checkpoints" / "3")


def test_damaged_metrics_are_one_line(
  folder: pathlib.Path, tmp_path: pathlib.Path
) -> None:
  copy = tmp_path / "copy"
  shutil.copytree(folder, copy)
  [damaged] = (copy / "checkpoints" / "2").rglob("metrics/metrics")
  damaged.write_text("{")
  with pytest.raises(UserError, match="cannot be read"):
    checkpoints.load(copy)
