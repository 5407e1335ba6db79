"""The LSTM that keeps less against the textbook one."""

import jax
import pytest

from tests.models.lstm_cases import (
  assert_close,
  make_inputs,
  run,
  values_and_gradients,
)

KEEPS_LESS = "recomputed"


@pytest.mark.parametrize(
  ("size", "extras"),  # (layers, steps, batch, hidden units), other arguments
  [
    ((1, 1, 1, 1), ("reset",)),
    ((2, 6, 1, 5), ("output_masks",)),
    ((3, 5, 2, 3), ("reset", "output_masks")),
  ],
)
def test_equals_scan(size: tuple, extras: tuple) -> None:
  with jax.enable_x64(True):
    inputs, options = make_inputs(*size, "float64")
    options |= {name: None for name in options if name not in extras}
    expected = values_and_gradients(inputs, **options, implementation="scan")
    actual = values_and_gradients(inputs, **options, implementation=KEEPS_LESS)
    assert_close(actual, expected, 1e-10)
  inputs, options = jax.tree.map(
    lambda array: array if array.dtype == bool else array.astype("float32"),
    (inputs, options),
  )
  actual = values_and_gradients(inputs, **options, implementation=KEEPS_LESS)
  assert actual[0][0].dtype == "float32"
  assert_close(actual, expected, 1e-6)
  plain = run(*inputs, **options, implementation=KEEPS_LESS)
  assert_close(plain, expected[0], 1e-6)


def test_bfloat16_stays_close_to_float32() -> None:
  (params, gates_in, carry), extras = make_inputs(2, 12, 4, 32, "float32")
  params = jax.tree.map(lambda array: array * 0.2, params)
  exact = (params, gates_in.astype("bfloat16").astype("float32"), carry)
  rough = (params, gates_in.astype("bfloat16"), carry)
  expected = values_and_gradients(exact, **extras, implementation="scan")
  actual = values_and_gradients(rough, **extras, implementation=KEEPS_LESS)
  assert (actual[0][0].dtype, actual[0][1].c.dtype) == ("bfloat16", "float32")
  assert_close(actual, expected, 1e-2)


def test_the_backward_pass_keeps_half_as_much() -> None:
  layers, steps, batch, hidden_size = 3, 64, 8, 32
  inputs, _ = make_inputs(layers, steps, batch, hidden_size, "float32")

  def kept(implementation: str) -> float:
    """Numbers a unit, row and step between forward and backward pass."""
    _, backward = jax.vjp(
      lambda *args: run(*args, implementation=implementation), *inputs
    )
    arrays = {id(leaf): leaf for leaf in jax.tree.leaves(backward)}
    sizes = [leaf.size for leaf in arrays.values() if leaf.shape[0] == steps]
    return sum(sizes) / (hidden_size * batch * steps)

  assert kept("hoisted") == 7 * layers
  assert kept(KEEPS_LESS) == 6 + 2 * (layers - 1)
