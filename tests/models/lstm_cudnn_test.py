"""Our way into cuDNN, by the reference JAX keeps beside it: no GPU needed."""

import functools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.experimental import rnn

from musegen_jax.models import lstm, lstm_cudnn
from tests.models.lstm_cases import (
  assert_close,
  make_inputs,
  values_and_gradients,
)


def reference(
  x: jax.Array,
  h: jax.Array,
  c: jax.Array,
  weights: jax.Array,
  lengths: jax.Array,
  *,
  precision: jax.lax.Precision,
  **sizes: Any,
) -> tuple:
  """What `rnn.lstm` documents, from packed weights, on any platform."""
  assert precision == jax.lax.Precision.HIGHEST
  names = ("input_size", "hidden_size", "num_layers", "bidirectional")
  layout = [sizes[name] for name in names]
  assert weights.shape == (rnn.get_num_params_in_lstm(*layout),)
  parts = rnn.unpack_lstm_weights(weights, *layout)
  input_size, hidden_size, layers, bidirectional = layout
  return rnn.lstm_ref(
    x,
    h,
    c,
    *parts,
    lengths,
    input_size,
    hidden_size,
    layers,
    sizes["dropout"],
    bidirectional,
  )


@pytest.fixture
def gpu(monkeypatch: pytest.MonkeyPatch) -> None:
  """A machine that seems to have cuDNN."""
  monkeypatch.setattr(jax, "default_backend", lambda: "gpu")
  monkeypatch.setattr(rnn, "lstm", reference)


@pytest.mark.usefixtures("gpu")
@pytest.mark.parametrize("size", [(1, 1, 1, 1), (3, 5, 2, 3)])
def test_equals_scan(size: tuple) -> None:
  inputs, _ = make_inputs(*size, "float32")
  results = functools.partial(values_and_gradients, inputs, None, None)
  assert_close(results("cudnn"), results("scan"), 2e-6)


def test_weights_are_packed_layer_by_layer_then_biases() -> None:
  (params, _, _), _ = make_inputs(2, 1, 1, 3, "float32")
  kernel, bias = params["input"][0], params["bias"][0]
  first, second = params["recurrent"]
  expected = [np.eye(12), first.T, kernel.T, second.T]
  expected += [np.zeros(12), np.zeros(12), bias, np.zeros(12)]
  np.testing.assert_array_equal(
    lstm_cudnn.pack_weights(params),
    np.concatenate([np.asarray(part).ravel() for part in expected]),
  )


@pytest.mark.usefixtures("gpu")
def test_what_cudnn_cannot_do_is_named() -> None:
  (params, gates_in, carry), extras = make_inputs(2, 3, 2, 4, "float32")
  call = functools.partial(lstm.lstm, params, implementation="cudnn")
  for name in ("reset", "output_masks"):
    with pytest.raises(ValueError, match=f"'cudnn' has no {name}: choose"):
      call(gates_in, carry, **{name: extras[name]})
  with pytest.raises(ValueError, match="float32 only, gates_in is bfloat16"):
    call(gates_in.astype(jnp.bfloat16), carry)


def test_without_a_gpu_the_platform_is_named() -> None:
  inputs, _ = make_inputs(1, 1, 1, 1, "float32")
  with pytest.raises(ValueError, match="NVIDIA GPU, the platform is cpu"):
    lstm.lstm(*inputs, implementation="cudnn")
