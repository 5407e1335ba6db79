"""How recurrent parameters start.

Letters used in shapes: L layers, H LSTM units, G = 4H gates (i, f, g, o).
"""

from collections.abc import Sequence

import jax
import jax.numpy as jnp
from jax.nn import initializers


def orthogonal_layers(
  key: jax.Array, shape: Sequence[int], dtype: jnp.dtype = jnp.float32
) -> jax.Array:
  """[L, H, G] recurrent kernels, each with orthonormal rows (Saxe et al.
  2014), so that states neither explode nor vanish in the first steps."""
  make = initializers.orthogonal()
  keys = jax.random.split(key, shape[0])
  return jnp.stack([make(each, shape[1:], dtype) for each in keys])


def lecun_layers(
  key: jax.Array, shape: Sequence[int], dtype: jnp.dtype = jnp.float32
) -> jax.Array:
  """[L, H, G] input kernels, each scaled by its own fan-in (LeCun 1998)."""
  return initializers.lecun_normal(batch_axis=(0,))(key, shape, dtype)


def forget_bias(
  key: jax.Array, shape: Sequence[int], dtype: jnp.dtype = jnp.float32
) -> jax.Array:
  """[..., G] gate biases: 1 for the forget gates, else 0 (Jozefowicz et al.
  2015), so that cells remember before they have learned what to forget."""
  del key
  quarter = shape[-1] // 4
  return jnp.zeros(shape, dtype).at[..., quarter : 2 * quarter].set(1)
