"""The persistent kernels against the textbook loop, in the interpreter, and who
takes their place where they cannot run.

Not covered, for want of a GPU: layouts, wgmma and semaphores beyond that they
lower, hence races between blocks and every figure of speed.
"""

import functools
import sys
import types
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from musegen_jax.models import lstm, lstm_cell, lstm_choice, lstm_pallas
from musegen_jax.models import lstm_pallas_block as block
from tests import conftest
from tests.models import pallas_interpreter
from tests.models.lstm_cases import make_inputs, run

Hopper = pallas_interpreter.Hopper
SIZE = (8, pallas_interpreter.HIDDEN_SIZE, True)  # batch, units, resets


@pytest.fixture
def interpreter(monkeypatch: pytest.MonkeyPatch) -> None:
  pallas_interpreter.install(monkeypatch)


@pytest.fixture
def log(monkeypatch: pytest.MonkeyPatch) -> list[str]:
  """The lines logged, as by a fresh process."""
  lines = []
  monkeypatch.setattr(lstm_pallas.logging, "error", lines.append)
  once = functools.cache(lstm_pallas._log_once.__wrapped__)
  monkeypatch.setattr(lstm_pallas, "_log_once", once)
  return lines


@pytest.mark.usefixtures("interpreter")
@pytest.mark.parametrize(
  ("size", "extras"),  # (layers, steps, batch), other arguments
  [
    ((1, 1, 8), ()),
    ((2, 3, 8), ("reset", "output_masks")),
    ((1, 2, 16), ("reset",)),  # two slices of the batch
  ],
)
def test_kernels_equal_scan(
  monkeypatch: pytest.MonkeyPatch, size: tuple, extras: tuple
) -> None:
  monkeypatch.setattr(lstm_pallas, "refusal", lambda *sizes: None)
  pallas_interpreter.compare(*size, extras)


def test_blocks_of_a_team_send_each_other_their_parts() -> None:
  conftest.run_module("tests.models.pallas_interpreter", NPROC="8")


@pytest.mark.usefixtures("interpreter")
def test_vmap_is_one_call_after_the_other(
  monkeypatch: pytest.MonkeyPatch,
) -> None:
  monkeypatch.setattr(lstm_pallas, "refusal", lambda *sizes: None)
  inputs, _ = make_inputs(1, 1, 8, SIZE[1], "bfloat16")
  pair = jax.tree.map(lambda array: jnp.stack((array, -array)), inputs)

  def outputs(inputs: tuple) -> jax.Array:
    return lstm.lstm(*inputs, implementation="pallas")[0]

  expected = [
    outputs(jax.tree.map(lambda array, i=i: array[i], pair)) for i in range(2)
  ]
  np.testing.assert_array_equal(jax.vmap(outputs)(pair), jnp.stack(expected))


@pytest.mark.parametrize("hidden_size", [256, 512])
def test_lowers_for_the_card(
  monkeypatch: pytest.MonkeyPatch, hidden_size: int
) -> None:
  monkeypatch.setattr(lstm_pallas, "refusal", lambda *sizes: None)
  monkeypatch.setattr(lstm_pallas, "_device", Hopper)
  inputs, extras = make_inputs(1, 3, 64, hidden_size, "bfloat16")

  @jax.jit
  @jax.grad
  def step(inputs: tuple) -> jax.Array:
    outputs, _ = lstm.lstm(
      *inputs, reset=extras["reset"], implementation="pallas"
    )
    return outputs.astype(jnp.float32).sum()

  text = step.trace(inputs).lower(lowering_platforms=("cuda",)).as_text()
  assert text.count("stablehlo.custom_call @mosaic_gpu") == 2


@pytest.mark.parametrize(
  ("hidden_size", "batch", "pieces"),
  [
    (256, 64, 8),
    (256, 896, 56),  # 16 teams of 8 blocks
    (256, 1024, None),
    (512, 64, 8),
    (512, 128, 16),  # 8 teams of 16
    (512, 136, None),  # 17 slices of 8
    (512, 256, None),  # more than shared memory holds
  ],
)
def test_all_teams_are_on_the_card_at_once(
  hidden_size: int, batch: int, pieces: int | None
) -> None:
  team = block.plan(hidden_size, batch, 132)
  assert (team and team.pieces) == pieces


@pytest.mark.parametrize(
  ("changes", "reason"),
  [
    ({}, None),
    ({"platform": "cpu"}, "needs an NVIDIA GPU, the platform is cpu"),
    ({"compute_capability": "8.0"}, r"9.0 \(Hopper\), this GPU's is 8.0"),
    ({"dtype": "float32"}, "computes in bfloat16, not float32"),
    ({"hidden_size": 384}, "knows 256 and 512 LSTM units, not 384"),
    ({"batch": 12}, "a batch that is a multiple of 8, not 12"),
    ({"core_count": 8}, "no room for batch 64 x 512 on 8 cores"),
  ],
)
def test_what_cannot_run_is_named(changes: dict, reason: str | None) -> None:
  sizes = {"dtype": "bfloat16", "batch": 64, "hidden_size": 512}
  sizes |= {name: changes.pop(name) for name in sizes if name in changes}
  sizes["dtype"] = jnp.dtype(sizes["dtype"])
  device = Hopper(**changes)
  found = lstm_pallas.supported(device, **sizes)
  if reason is None:
    assert found is None
  else:
    with pytest.raises(AssertionError, match=reason):
      raise AssertionError(found)


def test_another_jax_is_a_reason(monkeypatch: pytest.MonkeyPatch) -> None:
  monkeypatch.setitem(sys.modules, "musegen_jax.models.lstm_pallas_block", None)
  monkeypatch.delattr("musegen_jax.models.lstm_pallas_block")
  found = lstm_pallas.supported(Hopper(), jnp.dtype("bfloat16"), 64, 512)
  assert "does not fit JAX" in found


def test_elsewhere_another_takes_its_place_with_one_line(
  log: list[str],
) -> None:
  inputs, extras = make_inputs(2, 3, 5, 4, "float32")
  expected = run(*inputs, **extras, implementation="hoisted")
  for _ in range(2):
    actual = lstm.lstm(*inputs, **extras, implementation="pallas")
    for a, b in zip(
      jax.tree.leaves(actual), jax.tree.leaves(expected), strict=True
    ):
      np.testing.assert_allclose(a, b, rtol=1e-6)
  assert log == [
    "implementation 'pallas' needs an NVIDIA GPU, the platform is cpu;"
    " taking the next fastest"
  ]


def test_a_table_that_names_it_is_no_way_back(
  monkeypatch: pytest.MonkeyPatch, log: list[str]
) -> None:
  monkeypatch.setattr(lstm_choice, "fastest", lambda *sizes: "pallas")
  chosen = lstm_pallas.choose(jnp.dtype("float32"), 1, 8, 256, resets=False)
  assert (chosen, len(log)) == ("hoisted", 1)


@pytest.mark.usefixtures("interpreter")
def test_a_sound_kernel_passes_its_check_once(
  monkeypatch: pytest.MonkeyPatch, log: list[str]
) -> None:
  checks = []
  check = lstm_pallas._check
  monkeypatch.setattr(
    lstm_pallas, "_check", lambda *size: (checks.append(size), check(*size))
  )

  @jax.jit  # asked while something else is traced
  def chosen(x: jax.Array) -> jax.Array:
    batch, hidden_size, resets = SIZE
    for _ in range(2):
      name = lstm_pallas.choose(x.dtype, 1, batch, hidden_size, resets)
      assert name == "pallas", log
    return x

  chosen(jnp.zeros((), jnp.bfloat16))
  assert (checks, log) == ([SIZE], [])


def _no_product(weights: Any, operand: Any) -> jax.Array:
  return jnp.zeros((weights.shape[0], operand.shape[0]), jnp.float32)


def _wrong_gradient(i: Any, f: Any, g: Any, o: Any, d_h: Any, d_c: Any) -> Any:
  return d_c * i, d_c * f, d_c * g, d_c * o


def _broken(*arguments: Any) -> Any:
  raise NotImplementedError("no such layout\nat line 5")


@pytest.mark.usefixtures("interpreter")
@pytest.mark.parametrize(
  ("module", "name", "damaged", "reason"),
  [
    (block, "multiply", _no_product, "outputs is"),
    (lstm_cell, "scale_slopes", _wrong_gradient, "gradient of"),
    (block, "launch", _broken, "NotImplementedError: no such layout)"),
  ],
)
def test_a_damaged_kernel_is_not_used(
  monkeypatch: pytest.MonkeyPatch,
  log: list[str],
  module: types.ModuleType,
  name: str,
  damaged: Any,
  reason: str,
) -> None:
  monkeypatch.setattr(module, name, damaged)
  batch, hidden_size, resets = SIZE
  dtype = jnp.dtype("bfloat16")
  for layers in (1, 2):
    chosen = lstm_pallas.choose(dtype, layers, batch, hidden_size, resets)
    assert chosen != "pallas"
  (line,) = log
  assert "fails on a faked H200" in line and reason in line
