"""Heads are exact: probabilities sum to 1, draws follow them, and no key hears
itself or a higher one."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from musegen_jax.data import frames as rolls
from musegen_jax.models import frame_heads
from musegen_jax.models.frames import OUTSIDE
from tests.models import toy_frames
from tests.models.toy_frames import KEYS, LOW

HISTORY = toy_frames.music(4, seed=2)
DRAWS = 6000

heads = pytest.mark.parametrize("head", frame_heads.HEADS)
tellings = pytest.mark.parametrize("articulation", [False, True])


def hidden_of(count: int, seed: int = 0) -> frame_heads.Hidden:
  """What a trunk of five keys and six units might say."""
  rng = np.random.default_rng(seed)

  def normal(*shape: int) -> jax.Array:
    return jnp.asarray(rng.normal(0, 1, shape), jnp.float32)

  return frame_heads.Hidden(
    key=normal(count, KEYS, 6),
    logit=normal(count, KEYS),
    before=jnp.asarray(rng.random((count, KEYS)) < 0.5),
    nade=normal(count, 4),
  )


def all_sounds() -> np.ndarray:
  """Every frame of five keys, bool [32, 5]."""
  return np.array(list(itertools.product([False, True], repeat=KEYS)))


@tellings
@heads
def test_probabilities_of_all_frames_sum_to_one(
  head: str, articulation: bool
) -> None:
  model = toy_frames.make(head, articulation=articulation)
  frames = toy_frames.every_frame(HISTORY[-1], articulation)
  assert len(frames) == (108 if articulation else 32)
  inside = toy_frames.probabilities_after(model, HISTORY, frames)
  assert inside.max() < 0.9
  # Times the chance that all keys outside are silent.
  silence = (1 - OUTSIDE) ** (rolls.KEYS - KEYS)
  assert inside.sum() == pytest.approx(silence, rel=2e-5)
  assert abs(inside.sum() - 1) > 5e-5


@heads
def test_keys_outside_the_range_sound_hardly_ever(head: str) -> None:
  model = toy_frames.make(head)
  frames = toy_frames.every_frame(HISTORY[-1], False)
  frames[:] = frames[11]
  outside = [[], [0], [LOW + KEYS], [LOW - 1, 87], [3, 60]]
  for row, keys in enumerate(outside):
    frames[row, keys] = 1
  nats = -np.log(toy_frames.probabilities_after(model, HISTORY, frames))
  # So that over all subsets of the keys outside they sum to 1.
  each = np.log((1 - OUTSIDE) / OUTSIDE)
  expected = [each * len(keys) for keys in outside]
  found = (nats - nats[0])[: len(outside)]
  np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-5)


@tellings
@heads
def test_draws_follow_the_probabilities(head: str, articulation: bool) -> None:
  model = toy_frames.make(head, articulation=articulation)
  params = toy_frames.params_of(model)
  frames = toy_frames.every_frame(HISTORY[-1], articulation)
  expected = toy_frames.probabilities_after(model, HISTORY, frames)
  silent = np.zeros_like(HISTORY[:1])
  features = toy_frames.features_of(model, np.concatenate([HISTORY, silent]))
  carry = model.zero_carry(1)
  for number in range(len(HISTORY) + 1):
    own = jax.tree.map(lambda a, at=number: a[at : at + 1], features)
    hidden, carry = toy_frames.step(model, params, own, carry)
  many = jax.tree.map(lambda a: jnp.repeat(a, DRAWS, 0), hidden)
  uniforms = jax.random.uniform(jax.random.key(1), (2, DRAWS, KEYS))
  sounds, held = frame_heads.draw(head, params, many, uniforms[0])
  sounds, held = np.asarray(sounds), np.asarray(jax.nn.sigmoid(held))
  before = HISTORY[-1, LOW : LOW + KEYS] > 0
  holds = articulation & before & (np.asarray(uniforms[1]) < held)
  cells = sounds * np.where(holds, rolls.HELD, rolls.STRUCK)
  drawn = (cells[:, None] == frames[:, LOW : LOW + KEYS]).all(2)
  assert drawn.any(1).all()
  assert toy_frames.fit(drawn.sum(0), expected) > 1e-3


@heads
def test_likelihood_is_that_of_a_loop_over_keys(head: str) -> None:
  model = toy_frames.make(head)
  params = {
    name: np.asarray(leaf, np.float64)
    for name, leaf in toy_frames.params_of(model).items()
  }
  hidden = hidden_of(32)
  sounds = all_sounds()
  found = frame_heads.score(
    head, toy_frames.params_of(model), hidden, jnp.asarray(sounds)
  )
  for row, frame in enumerate(sounds):
    one = frame_heads.Hidden(*(np.asarray(a[row], np.float64) for a in hidden))
    for key in range(KEYS):
      expected = naive_outputs(head, params, one, frame[:key])
      np.testing.assert_allclose(
        found[row, key], expected, rtol=2e-5, atol=2e-5
      )


def gelu(x: np.ndarray) -> np.ndarray:
  return 0.5 * x * (1 + np.tanh(np.sqrt(2 / np.pi) * (x + 0.044715 * x**3)))


def naive_outputs(
  head: str, params: dict, hidden: frame_heads.Hidden, lower: np.ndarray
) -> tuple[float, float]:
  """Both logits of the key above the `lower` ones, by the definitions."""
  key = len(lower)
  units = hidden.key[key].copy()
  sounding = np.flatnonzero(lower)
  if head == "autoregressive":
    for other in sounding:
      units += params["below"][key - other - 1]
    units += naive_voices(params["voices"], hidden.before, key, sounding)
  first = gelu(units)
  second = first + gelu(first @ params["mix"] + params["mix_bias"])
  sounds, held = second @ params["out"] + params["out_bias"]
  sounds += hidden.logit[key]
  if head == "nade":
    summed = hidden.nade + sum(params["nade_in"][other] for other in sounding)
    sounds += (1 / (1 + np.exp(-summed))) @ params["nade_out"][key]
  return sounds, held


def naive_voices(
  table: np.ndarray, before: np.ndarray, key: int, sounding: np.ndarray
) -> np.ndarray:
  """The next voice is as many from below as sound below; the table has its
  lead, the move of the one below, and the gap between."""
  widest, none = frame_heads.MOVE, 2 * frame_heads.MOVE + 1
  was = np.flatnonzero(before > 0)
  lead = move = none
  gap = frame_heads.GAP
  if len(sounding) < len(was):
    lead = np.clip(key - was[len(sounding)], -widest, widest) + widest
  if 0 < len(sounding) <= len(was):
    moved = sounding[-1] - was[len(sounding) - 1]
    move = np.clip(moved, -widest, widest) + widest
  if len(sounding):
    gap = min(key - sounding[-1], frame_heads.GAP) - 1
  rows = np.split(table, [none + 1, 2 * (none + 1)])
  return rows[0][lead] + rows[1][move] + rows[2][gap]


@heads
def test_no_key_hears_itself_or_a_higher_one(head: str) -> None:
  params = toy_frames.params_of(toy_frames.make(head))
  sounds = all_sounds()
  same = jax.tree.map(lambda a: jnp.repeat(a, 32, 0), hidden_of(1))
  base = np.asarray(frame_heads.score(head, params, same, jnp.asarray(sounds)))
  heard = False
  for key in range(KEYS):
    flipped = sounds.copy()
    flipped[:, key] ^= True
    other = frame_heads.score(head, params, same, jnp.asarray(flipped))
    changed = np.asarray(other) != base
    assert not changed[:, : key + 1].any()
    heard |= changed.any()
  assert heard == (head != "sigmoid")


@heads
def test_masks_are_factors_of_the_hidden_units(head: str) -> None:
  params = toy_frames.params_of(toy_frames.make(head))
  sounds, hidden = jnp.asarray(all_sounds()), hidden_of(32)
  plain = frame_heads.score(head, params, hidden, sounds)
  ones = frame_heads.score(head, params, hidden, sounds, jnp.ones((2, 32, 6)))
  np.testing.assert_array_equal(ones, plain)
  nothing = frame_heads.score(
    head, params, hidden, sounds, jnp.zeros((2, 32, 6))
  )
  held = np.broadcast_to(params["out_bias"][1], (32, KEYS))
  np.testing.assert_allclose(nothing[..., 1], held, rtol=1e-6)


def test_a_temperature_of_zero_takes_the_likelier_state() -> None:
  model = toy_frames.make("autoregressive")
  params, hidden = toy_frames.params_of(model), hidden_of(8)
  uniforms = jax.random.uniform(jax.random.key(1), (8, KEYS))
  sounds, _ = frame_heads.draw(
    "autoregressive", params, hidden, uniforms, temperature=0.0
  )
  logits = frame_heads.score("autoregressive", params, hidden, sounds)[..., 0]
  np.testing.assert_array_equal(sounds, logits > 0)
  assert 0 < np.asarray(sounds).mean() < 1
