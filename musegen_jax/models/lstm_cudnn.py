"""The LSTM of NVIDIA's cuDNN, through `jax.experimental.rnn`.

A cross-check of ours by other people's code on the same card, not a fast path:
it knows float32 only and copies the lengths to the host in every call.

Letters: T time step, B batch, H LSTM units, G = 4H gates (i, f, g, o),
L layers.
"""

import jax
import jax.numpy as jnp
from jax import lax
from jax.experimental import rnn


def run(
  params: dict[str, jax.Array],
  gates_in: jax.Array,
  carry: tuple[jax.Array, jax.Array],
  reset: jax.Array | None,
  output_masks: jax.Array | None,
) -> tuple[jax.Array, tuple[jax.Array, jax.Array]]:
  """Runs all layers in cuDNN; the contract is that of `lstm.lstm`.

  Raises:
    ValueError: where cuDNN cannot: on reset, output_masks, another dtype than
      float32, and without an NVIDIA GPU.
  """
  _check_supported(gates_in.dtype, reset, output_masks)
  steps, batch, gates = gates_in.shape
  outputs, h, c = rnn.lstm(
    jnp.swapaxes(gates_in, 0, 1),
    *carry,
    pack_weights(params),
    jnp.full(batch, steps, jnp.int32),
    input_size=gates,
    hidden_size=gates // 4,
    num_layers=len(params["recurrent"]),
    dropout=0.0,
    bidirectional=False,
    # Without it cuDNN rounds the products' inputs to 10 bits (TF32).
    precision=lax.Precision.HIGHEST,
  )
  return jnp.swapaxes(outputs, 0, 1), (h, c)


def pack_weights(params: dict[str, jax.Array]) -> jax.Array:
  """Our parameters, see `lstm.lstm`, as the one array [N] cuDNN takes.

  For each layer the weights from below [G, inputs] and the recurrent ones
  [G, H], then for each layer two biases [G], all float32 and flat, gates in
  our order (the docstring of `jax.experimental.rnn`). The first layer's inputs
  are the gates themselves, so its weights are the identity; we have one bias
  where cuDNN has two, so the second is zero.
  """
  layers, _, gates = params["recurrent"].shape
  no_bias = jnp.zeros(gates)
  kernels = [jnp.eye(gates), *params["input"]]
  biases = [no_bias, *params["bias"]]
  parts = []
  for layer in range(layers):
    parts += [kernels[layer].T, params["recurrent"][layer].T]
  for layer in range(layers):
    parts += [biases[layer], no_bias]
  return jnp.concatenate([part.astype(jnp.float32).ravel() for part in parts])


def _check_supported(
  dtype: jnp.dtype, reset: jax.Array | None, output_masks: jax.Array | None
) -> None:
  instead = "choose another implementation"
  if reset is not None:
    raise ValueError(f"implementation 'cudnn' has no reset: {instead}")
  if output_masks is not None:
    raise ValueError(f"implementation 'cudnn' has no output_masks: {instead}")
  if dtype != jnp.float32:
    raise ValueError(
      f"implementation 'cudnn' is float32 only, gates_in is {dtype}: {instead}"
    )
  # Otherwise tracing fails with an AttributeError deep in jaxlib.
  if jax.default_backend() != "gpu":
    raise ValueError(
      "implementation 'cudnn' needs an NVIDIA GPU, the platform is "
      f"{jax.default_backend()}: {instead}"
    )
