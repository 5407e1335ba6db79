"""A VAE of three dimensions and windows for it, which need no data set."""

import jax
import jax.numpy as jnp
import numpy as np

from musegen_jax import config as config_lib
from musegen_jax.data.codecs import melody
from musegen_jax.models import vae

CODEC = melody.CODEC
STEPS = 32


def config() -> config_lib.Config:
  """A VAE of 3 dimensions on 2 bars of melody."""
  return config_lib.Config(
    data=config_lib.Data(codec="melody", unit="window", windows_per_piece=4),
    model=config_lib.Model(
      kind="vae", embedding_size=6, hidden_size=8, layers=1, dropout=0.0
    ),
    vae=config_lib.Vae(latent_size=3, encoder_size=5, pool_size=2, plan_size=2),
    train=config_lib.Train(window=STEPS),
  )


MODEL = vae.from_config(config(), CODEC)


def init(seed: int = 0) -> dict:
  """Parameters far enough from zero that z and tokens matter."""
  tokens = jnp.zeros((1, STEPS), jnp.int32)
  params = MODEL.init(jax.random.key(seed), tokens, tokens, jnp.zeros((1, 3)))
  return jax.tree.map(lambda leaf: 1.5 * np.asarray(leaf), params["params"])


def windows(count: int, seed: int = 0) -> np.ndarray:
  """int16 [count, T]; every third one is in 3/4 and so has pads."""
  rng = np.random.default_rng(seed)
  begins = rng.random((count, STEPS)) < 0.4
  begins[:, 0] = True
  pitches = rng.integers(40, 60, (count, STEPS))
  tokens = np.where(begins, pitches, 0).astype(np.int16)
  tokens[::3].reshape(-1, STEPS // 16, 16)[:, :, 12:] = CODEC.pad
  return tokens


def melody_of(*bars: str) -> np.ndarray:
  """A window [T] from bars of MIDI numbers, `-` for no event, `x` for a
  note-off and `.` for pad, by steps."""
  names = {"-": 0, "x": 1, ".": CODEC.pad}
  first = CODEC.offsets["pitch"] - melody.LOW_PITCH
  steps = " ".join(bars).split()
  return np.array(
    [names[s] if s in names else first + int(s) for s in steps], np.int16
  )
