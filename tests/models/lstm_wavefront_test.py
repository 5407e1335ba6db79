"""The LSTM along diagonals against the textbook one."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from musegen_jax.models import lstm
from tests.models.lstm_cases import (
  assert_close,
  make_inputs,
  run,
  values_and_gradients,
  weigh,
)


@pytest.mark.parametrize(
  ("size", "extras"),  # (layers, steps, batch, hidden units), other arguments
  [
    ((1, 3, 1, 2), ("reset", "output_masks")),
    ((4, 2, 3, 3), ("output_masks",)),  # never are all layers at work
    ((3, 1, 1, 5), ()),
    ((3, 5, 2, 3), ("reset", "output_masks")),
  ],
)
def test_equals_scan(size: tuple, extras: tuple) -> None:
  with jax.enable_x64(True):
    inputs, options = make_inputs(*size, "float64")
    options |= {name: None for name in options if name not in extras}
    expected = values_and_gradients(inputs, **options, implementation="scan")
    actual = values_and_gradients(inputs, **options, implementation="wavefront")
    assert_close(actual, expected, 1e-10)


def test_float32_is_as_close_as_its_rounding() -> None:
  inputs, extras = make_inputs(3, 5, 2, 3, "float32")
  actual = values_and_gradients(inputs, **extras, implementation="wavefront")
  assert actual[0][0].dtype == "float32"
  with jax.enable_x64(True):
    exact, extras = make_inputs(3, 5, 2, 3, "float64")
    expected = values_and_gradients(exact, **extras, implementation="scan")
  assert_close(actual, expected, 1e-6)


def test_value_without_gradient_is_the_same() -> None:
  inputs, extras = make_inputs(2, 5, 3, 4, "float32")
  expected = run(*inputs, **extras, implementation="scan")
  actual = run(*inputs, **extras, implementation="wavefront")
  assert_close(actual, expected, 1e-6)


def test_bfloat16_stays_close_to_float32() -> None:
  (params, gates_in, carry), extras = make_inputs(2, 12, 4, 32, "float32")
  params = jax.tree.map(lambda array: array * 0.2, params)
  exact = (params, gates_in.astype("bfloat16").astype("float32"), carry)
  rough = (params, gates_in.astype("bfloat16"), carry)
  expected = values_and_gradients(exact, **extras, implementation="scan")
  actual = values_and_gradients(rough, **extras, implementation="wavefront")
  (outputs, last), (d_inputs, _) = actual
  assert (outputs.dtype, last.c.dtype) == ("bfloat16", "float32")
  assert (d_inputs[0]["recurrent"].dtype, d_inputs[1].dtype) == (
    "float32",
    "bfloat16",
  )
  assert_close(actual, expected, 1e-2)


def test_a_state_that_is_dropped_leaves_no_trace_in_gradients() -> None:
  (params, gates_in, carry), extras = make_inputs(3, 4, 2, 3, "float32")
  broken = jax.tree.map(lambda state: jnp.full_like(state, jnp.nan), carry)
  reset = extras["reset"].at[0].set(True)

  @jax.jit
  @jax.grad
  def gradients(inputs: tuple, carry: lstm.LSTMCarry) -> jax.Array:
    params, gates_in = inputs
    return weigh(
      lstm.lstm(
        params, gates_in, carry, reset=reset, implementation="wavefront"
      )
    )

  expected = gradients((params, gates_in), carry)
  actual = gradients((params, gates_in), broken)
  jax.tree.map(np.testing.assert_array_equal, actual, expected)
