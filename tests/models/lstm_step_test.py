"""Steps one at a time are the textbook loop."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from musegen_jax.models import lstm_step
from tests.models.lstm_cases import assert_close, make_inputs, run


@jax.jit
def in_steps(params: dict, gates_in: jax.Array, carry: tuple) -> tuple:
  """Outputs [T, B, H] and the last state."""
  layers = lstm_step.unstack(
    {name: array.astype(gates_in.dtype) for name, array in params.items()}
  )
  state, outputs = lstm_step.begin(carry), []
  for gates in gates_in:
    said, state = lstm_step.step(layers, gates, state)
    outputs.append(said)
  return jnp.stack(outputs), state


def textbook(params: dict, gates_in: jax.Array, carry: tuple) -> tuple:
  outputs, carry = run(params, gates_in, carry, implementation="scan")
  return outputs, lstm_step.begin(carry)


@pytest.mark.parametrize(
  "size",  # layers, steps, batch, hidden units
  [(1, 1, 1, 1), (3, 4, 1, 5), (1, 3, 4, 3), (3, 4, 3, 5)],
)
def test_equals_scan(size: tuple) -> None:
  with jax.enable_x64(True):
    inputs, _ = make_inputs(*size, "float64")
    expected = textbook(*inputs)
    assert_close(in_steps(*inputs), expected, 1e-10)
  inputs = jax.tree.map(lambda array: array.astype("float32"), inputs)
  actual = in_steps(*inputs)
  assert actual[0].dtype == "float32"
  assert_close(actual, expected, 1e-6)


@pytest.mark.parametrize("batch", [1, 4])
def test_bfloat16_stays_close_to_float32(batch: int) -> None:
  (params, gates_in, carry), _ = make_inputs(2, 12, batch, 32, "float32")
  params = jax.tree.map(lambda array: array * 0.2, params)
  rough = gates_in.astype("bfloat16")
  expected = textbook(params, rough.astype("float32"), carry)
  actual = in_steps(params, rough, carry)
  assert actual[0].dtype == "bfloat16"
  assert {leaf.dtype for leaf in jax.tree.leaves(actual[1])} == {
    np.dtype("float32")
  }
  assert_close(actual, expected, 1e-2)
