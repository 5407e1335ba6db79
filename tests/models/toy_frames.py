"""Models of five keys with random weights, and music for them.

K keys, T frames.
"""

import functools
import itertools

import jax
import jax.numpy as jnp
import numpy as np
import scipy.stats

from musegen_jax.data import frames as rolls
from musegen_jax.models import frame_features, frame_heads
from musegen_jax.models.frame_features import (
  FRAME_FEATURES,
  KEY_FEATURES,
  Features,
)
from musegen_jax.models.frames import FrameCarry, FrameModel, Masks

LOW, KEYS = 40, 5


def make(head: str, **changes: object) -> FrameModel:
  """Both LSTMs of a few units, silent and sounding."""
  defaults = {
    "low": LOW,
    "keys": KEYS,
    "head": head,
    "key_size": 3,
    "context_size": 3,
    "head_size": 6,
    "nade_size": 4,
    "articulation": False,
  }
  return FrameModel(**(defaults | changes))


def silence(model: FrameModel) -> tuple[Features, jax.Array, FrameCarry]:
  """What a model takes to score one silent frame."""
  keys = jnp.zeros((1, 1, model.keys, KEY_FEATURES), jnp.uint8)
  frame = jnp.zeros((1, 1, FRAME_FEATURES), jnp.uint8)
  features = Features(keys, frame, jnp.zeros((1, 1), jnp.int32))
  roll = jnp.zeros((1, 1, rolls.KEYS), jnp.uint8)
  return features, roll, model.zero_carry(1)


@functools.cache
def params_of(model: FrameModel, seed: int = 0) -> dict:
  """Weights that make every key and every input matter."""
  init = functools.partial(model.init, reset=jnp.zeros((1, 1), bool))
  inputs = silence(model)
  shapes = jax.eval_shape(init, jax.random.key(0), *inputs)["params"]
  rng = np.random.default_rng(seed)
  return {
    # NADE's few hidden units would hardly matter.
    name: jnp.asarray(
      rng.normal(0, 2.0 if name.startswith("nade_") else 0.6, leaf.shape),
      jnp.float32,
    )
    for name, leaf in sorted(shapes.items())
  }


def music(length: int, seed: int = 0, keys: int = KEYS) -> np.ndarray:
  """A roll uint8 [T, 88] whose lowest `keys` keys of the model's sound, are
  struck and held, and repeat themselves."""
  rng = np.random.default_rng(seed)
  sounds = rng.random((length, keys)) < 0.4
  sounds[length // 2 :] = sounds[: length - length // 2]
  held = np.zeros_like(sounds)
  held[1:] = sounds[:-1] & (rng.random((length - 1, keys)) < 0.5)
  roll = np.zeros((length, rolls.KEYS), np.uint8)
  roll[:, LOW : LOW + keys] = sounds * np.where(held, rolls.HELD, rolls.STRUCK)
  return roll


def features_of(model: FrameModel, roll: np.ndarray) -> Features:
  """What a model hears before each frame of a roll [T, 88]."""
  return frame_features.of_piece(roll[:, model.low : model.low + model.keys])


def every_frame(before: np.ndarray, articulation: bool) -> np.ndarray:
  """All frames uint8 [N, 88] that can follow `before` [88] with no key beside
  the model's: with articulation only what sounded can be held."""
  states = [
    (rolls.SILENT, rolls.STRUCK, rolls.HELD)
    if articulation and sounded
    else (rolls.SILENT, rolls.STRUCK)
    for sounded in before[LOW : LOW + KEYS]
  ]
  inside = np.array(list(itertools.product(*states)), np.uint8)
  frames = np.zeros((len(inside), rolls.KEYS), np.uint8)
  frames[:, LOW : LOW + KEYS] = inside
  return frames


@functools.partial(jax.jit, static_argnames="model")
def score(
  model: FrameModel,
  params: dict,
  features: Features,
  frames: jax.Array,
  carry: FrameCarry,
  reset: jax.Array,
  masks: Masks | None = None,
) -> tuple[jax.Array, FrameCarry]:
  """Nats [B, T] and the state after the last frame."""
  nll, carry, _ = model.apply(
    {"params": params}, features, frames, carry, reset=reset, masks=masks
  )
  return nll, carry


@functools.partial(jax.jit, static_argnames="model")
def step(
  model: FrameModel,
  params: dict,
  features: Features,
  carry: FrameCarry,
) -> tuple[frame_heads.Hidden, FrameCarry]:
  """What is known before a frame [B, ...] and the state after it."""
  return model.apply({"params": params}, features, carry, method="step")


def probabilities_after(
  model: FrameModel, history: np.ndarray, frames: np.ndarray
) -> np.ndarray:
  """Probability float64 [N] of each of frames [N, 88] after a history."""
  count, length = len(frames), len(history)
  repeated = np.broadcast_to(history, (count, *history.shape))
  batch = np.concatenate([repeated, frames[:, None]], 1)
  # What is heard before a frame does not depend on it.
  features = jax.tree.map(
    lambda a: np.broadcast_to(a, (count, *a.shape)),
    features_of(model, batch[0]),
  )
  nll, _ = score(
    model,
    params_of(model),
    features,
    batch,
    model.zero_carry(count),
    np.zeros((count, length + 1), bool),
  )
  return np.exp(-np.asarray(nll, np.float64)[:, -1])


def fit(counts: np.ndarray, probabilities: np.ndarray) -> float:
  """How likely draws are to lie as far from probabilities as counts [N] do, by
  Pearson's chi-square test; what is hardly ever drawn is put together."""
  expected = probabilities * counts.sum() / probabilities.sum()
  often = np.flatnonzero(expected > 5)
  rare = np.flatnonzero(expected <= 5)
  groups = [*often[:, None], *([rare] if len(rare) else [])]
  assert len(groups) > 10
  observed = [counts[group].sum() for group in groups]
  return scipy.stats.chisquare(
    observed, [expected[group].sum() for group in groups]
  ).pvalue
