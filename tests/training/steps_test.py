"""The step alone: masks, dropout by row, one compilation, learning."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from musegen_jax import config as config_lib
from musegen_jax.models import language_model, token_scores
from musegen_jax.training import (
  language_task,
  metrics,
  optimizer,
  parallel,
  state,
  steps,
  task,
)

MODEL = language_model.LanguageModel(7, 6, 8, 2)


def make_step(dropout: float = 0.0) -> tuple:
  settings = config_lib.Optimizer(learning_rate=0.02, warmup_steps=0)
  tokens = jnp.zeros((1, 1), jnp.int32)
  params = task.draw_params(MODEL, 0, tokens, MODEL.zero_carry(1))
  tx = optimizer.make(settings, 1000, params)
  begun = parallel.spread(state.init(tx, params, MODEL.zero_carry(4)))
  steps_fn = parallel.pmap_steps(
    loss=language_task.make_loss(MODEL, dropout, seed=0),
    metrics=metrics.TrainMetrics,
    tx=tx,
    accumulate=1,
  )

  def step(state: state.State, batch: dict) -> tuple:
    after, metrics = steps_fn(state, put([batch]))
    return after, jax.tree.map(lambda array: array[0], parallel.first(metrics))

  return begun, step


def put(batches: list[dict]) -> dict:
  """Batches of successive steps, on the devices."""
  return parallel.put_rows(jax.tree.map(lambda *each: np.stack(each), *batches))


def make_batch(seed: int) -> dict[str, np.ndarray]:
  rng = np.random.default_rng(seed)
  tokens = (rng.integers(0, 7, (4, 1)) + np.arange(13)) % 7
  return {
    "inputs": tokens[:, :-1].astype(np.int32),
    "targets": tokens[:, 1:].astype(np.int32),
    "mask": np.ones((4, 12), np.float32),
    "reset": np.zeros((4, 12), bool),
  }


def test_what_the_mask_hides_changes_nothing() -> None:
  batch = make_batch(0)
  batch["mask"][1, 4:] = 0
  changed = batch | {"targets": batch["targets"].copy()}
  changed["targets"][1, 4:] = 0
  results = []
  for each in (batch, changed):
    begun, step_fn = make_step()
    after, metrics = step_fn(begun, each)
    results.append((parallel.first(after.params), metrics))
  for a, b in zip(*map(jax.tree.leaves, results), strict=True):
    np.testing.assert_array_equal(a, b)


def test_loss_is_the_mean_over_unmasked_tokens() -> None:
  batch = make_batch(0)
  batch["mask"][0, 1:] = 0
  begun, step_fn = make_step()
  params = parallel.first(begun.params)
  logits, _, _ = MODEL.apply(
    {"params": params}, batch["inputs"], MODEL.zero_carry(4)
  )
  log_probs = np.asarray(jax.nn.log_softmax(logits))
  nll = -np.take_along_axis(log_probs, batch["targets"][..., None], 2)[..., 0]
  expected = (nll * batch["mask"]).sum() / batch["mask"].sum()
  _, metrics = step_fn(begun, batch)
  loss = metrics.compute()["loss"]
  assert loss == pytest.approx(expected, rel=1e-5)


def test_it_learns_and_is_traced_once(
  monkeypatch: pytest.MonkeyPatch,
) -> None:
  traces = []
  score_tokens = token_scores.score_tokens

  def count(outputs: jax.Array, *others: jax.Array) -> tuple:
    traces.append(outputs.shape)
    return score_tokens(outputs, *others)

  monkeypatch.setattr(token_scores, "score_tokens", count)
  begun, step_fn = make_step(dropout=0.1)
  losses, first_traces = [], 0
  for number in range(120):
    begun, metrics = step_fn(begun, make_batch(number))
    losses.append(float(metrics.compute()["loss"]))
    first_traces = first_traces or len(traces)
  assert losses[-1] < 0.5 < 1.5 < losses[0]
  assert len(traces) == first_traces > 0


def test_dropout_is_addressed_by_row() -> None:
  key = jax.random.key(3)
  whole = steps.dropout_masks(key, np.arange(6), 5, MODEL, 0.4)
  part = steps.dropout_masks(key, np.array([2, 5]), 5, MODEL, 0.4)
  np.testing.assert_array_equal(part, whole[:, :, [2, 5]])
  assert set(np.unique(whole).tolist()) == {0.0, np.float32(1 / 0.6)}
  assert 0.3 < (np.asarray(whole) == 0).mean() < 0.5
