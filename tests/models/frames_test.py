"""What carries over time: no frame hears itself or a later one, windows are one
long run, and weights are shared over transposition."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from musegen_jax import config as config_lib
from musegen_jax.models import frame_heads, frames
from musegen_jax.models.frames import FrameCarry, FrameModel, Masks
from tests.models import toy_frames

LENGTH, WINDOW = 12, 4
ROLL = toy_frames.music(LENGTH, seed=2)
NEVER = np.zeros((1, LENGTH), bool)
VARIANTS = {
  "both LSTMs": {},
  "no LSTM over frames": {"context_size": 0},
  "no LSTM on every key": {"key_size": 0},
}
MODELS = {
  f"{head}, {name}": toy_frames.make(head, **changes)
  for head in frame_heads.HEADS
  for name, changes in VARIANTS.items()
} | {"struck and held": toy_frames.make("autoregressive", articulation=True)}

models = pytest.mark.parametrize("model", MODELS.values(), ids=MODELS)
heads = pytest.mark.parametrize("head", frame_heads.HEADS)


def score(
  model: FrameModel,
  roll: np.ndarray = ROLL,
  part: slice = slice(None),
  carry: FrameCarry | None = None,
  reset: np.ndarray = NEVER,
  params: dict | None = None,
  masks: Masks | None = None,
) -> tuple[np.ndarray, FrameCarry]:
  """Nats [T] of a part of a piece [T, 88], and the state after it."""
  features = toy_frames.features_of(model, roll)
  nll, carry = toy_frames.score(
    model,
    toy_frames.params_of(model) if params is None else params,
    jax.tree.map(lambda a: a[None, part], features),
    roll[None, part],
    model.zero_carry(1) if carry is None else carry,
    reset[:, part],
    masks,
  )
  return np.asarray(nll)[0], carry


def logits(model: FrameModel, params: dict, roll: np.ndarray) -> np.ndarray:
  """Logits of sounding [T, K], frame by frame."""
  features, carry = toy_frames.features_of(model, roll), model.zero_carry(1)
  found = []
  for number, frame in enumerate(roll):
    own = jax.tree.map(lambda a, at=number: a[at : at + 1], features)
    hidden, carry = toy_frames.step(model, params, own, carry)
    sounds = frame[None, model.low : model.low + model.keys] > 0
    scored = frame_heads.score(model.head, params, hidden, jnp.asarray(sounds))
    found.append(scored[0, :, 0])
  return np.stack(found)


@models
def test_windows_that_carry_the_state_are_one_long_run(
  model: FrameModel,
) -> None:
  whole, end = score(model)
  assert whole.shape == (LENGTH,) and (whole > 0).all()
  carry, parts = None, []
  for start in range(0, LENGTH, WINDOW):
    part = slice(start, start + WINDOW)
    nll, carry = score(model, part=part, carry=carry)
    parts.append(nll)
  np.testing.assert_allclose(np.concatenate(parts), whole, rtol=1e-5)
  for a, b in zip(*map(jax.tree.leaves, (carry, end)), strict=True):
    np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-6)
  # Without it they are not.
  assert (np.abs(score(model, part=part)[0] - parts[-1]) > 1e-5).all()


@models
def test_a_reset_empties_the_state(model: FrameModel) -> None:
  rng = np.random.default_rng(0)
  full = jax.tree.map(
    lambda a: rng.normal(0, 0.5, a.shape).astype(np.float32),
    model.zero_carry(1),
  )
  part, reset = slice(4, 8), NEVER.copy()
  reset[0, 6] = True
  results = [
    score(model, part=part, carry=carry, reset=reset) for carry in (None, full)
  ]
  (empty, after_empty), (filled, after_filled) = results
  assert (np.abs(empty - filled)[:2] > 1e-5).all()
  np.testing.assert_array_equal(empty[2:], filled[2:])
  jax.tree.map(np.testing.assert_array_equal, after_empty, after_filled)
  reset[0, 4] = True
  first, _ = score(model, part=part, carry=full, reset=reset)
  np.testing.assert_array_equal(first, empty)


@models
def test_no_frame_hears_a_later_one(model: FrameModel) -> None:
  other = ROLL.copy()
  other[7] = toy_frames.music(1, seed=3)
  assert (other[7] != ROLL[7]).any()
  base, changed = score(model)[0], score(model, other)[0]
  np.testing.assert_array_equal(base[:7], changed[:7])
  assert (base[7:] != changed[7:]).all()


@heads
def test_frame_by_frame_is_the_same(head: str) -> None:
  model = toy_frames.make(head)
  found = logits(model, toy_frames.params_of(model), ROLL)
  sounds = ROLL[:, model.low : model.low + model.keys] > 0
  nats = np.logaddexp(0, np.where(sounds, -found, found)).sum(1)
  # The keys outside are silent.
  nats -= (88 - model.keys) * np.log1p(-frames.OUTSIDE)
  np.testing.assert_allclose(nats, score(model)[0], rtol=1e-5)


def test_heads_hear_the_last_frame_and_the_logit_of_each_key() -> None:
  model = toy_frames.make("autoregressive")
  params = toy_frames.params_of(model)
  rarer = params | {"logit": params["logit"] - jnp.arange(model.keys)}
  np.testing.assert_allclose(
    logits(model, params, ROLL) - logits(model, rarer, ROLL),
    np.broadcast_to(np.arange(model.keys), (LENGTH, model.keys)),
    atol=1e-5,
  )
  features = toy_frames.features_of(model, ROLL)
  own = jax.tree.map(lambda a: a[5:6], features)
  hidden, _ = toy_frames.step(model, params, own, model.zero_carry(1))
  sounded = ROLL[4, model.low : model.low + model.keys] > 0
  np.testing.assert_array_equal(hidden.before[0], sounded)
  assert 0 < sounded.sum() < model.keys


@pytest.mark.parametrize("head", ["sigmoid", "autoregressive"])
def test_weights_are_shared_over_transposition(head: str) -> None:
  shift = 3
  model = toy_frames.make(head, keys=9, context_size=0)
  params = dict(toy_frames.params_of(model))
  # What is known of single keys.
  params["key"] = jnp.zeros_like(params["key"])
  params["logit"] = jnp.full_like(params["logit"], -1)
  moved = np.roll(ROLL, shift, axis=1)
  base = logits(model, params, ROLL)
  np.testing.assert_allclose(
    logits(model, params, moved)[:, shift:],
    base[:, : model.keys - shift],
    rtol=1e-4,
    atol=1e-5,
  )
  assert base.std(0).min() > 0.1


@heads
def test_the_range_may_move_with_the_music(head: str) -> None:
  model = toy_frames.make(head)
  higher = dataclasses.replace(model, low=model.low + 7)
  moved = np.roll(ROLL, 7, axis=1)
  params = toy_frames.params_of(model)
  np.testing.assert_allclose(
    score(higher, moved, params=params)[0], score(model)[0], rtol=1e-5
  )


@heads
def test_dropout_is_a_factor(head: str) -> None:
  model = toy_frames.make(head)
  sizes = [frames.LOCAL, model.keys, model.key_size, model.context_size]
  shapes = [(LENGTH, 1, size) for size in sizes]
  shapes.append((2, LENGTH, 1, model.head_size))
  ones = [jnp.ones(shape) for shape in shapes]
  plain = score(model)[0]
  same = score(model, masks=Masks(*ones))[0]
  np.testing.assert_allclose(same, plain, rtol=1e-5)
  for number in range(len(ones)):
    factors = [a * 0 if at == number else a for at, a in enumerate(ones)]
    changed = score(model, masks=Masks(*factors))[0]
    # Before the first frame there is nothing to lose.
    assert (np.abs(changed - plain)[1:] > 1e-5).all()


@heads
def test_bfloat16_is_near(head: str) -> None:
  model = toy_frames.make(head)
  rough = dataclasses.replace(model, dtype="bfloat16")
  found, carry = score(rough, params=toy_frames.params_of(model))
  assert found.dtype == np.float32
  assert {leaf.dtype for leaf in jax.tree.leaves(carry)} == {np.dtype("f4")}
  exact = score(model)[0]
  assert 0 < np.abs(found - exact).max() < 0.1 * exact.mean()


def test_the_config_decides() -> None:
  config = config_lib.Config()
  config.frames = config_lib.Frames(
    head="nade", lowest_pitch=61, highest_pitch=65, articulation=True
  )
  config.model.dtype = "bfloat16"
  model = frames.from_config(config)
  assert (model.low, model.keys, model.head) == (40, 5, "nade")
  assert model.articulation and model.dtype == "bfloat16"
