"""What `auto` takes: the nearest measured sizes, else a rule."""

import pathlib
from typing import Any

import jax
import pytest

from musegen_jax import config
from musegen_jax.models import lstm, lstm_choice, lstm_wavefront
from tests.models.lstm_cases import make_inputs


def row(layers: int, batch: int, hidden_size: int, **times: float) -> dict:
  return {
    "platform": "cpu",
    "device": "a processor",
    "dtype": "float32",
    "layers": layers,
    "batch": batch,
    "hidden_size": hidden_size,
    "milliseconds": times,
  }


@pytest.mark.parametrize(
  ("layers", "batch", "hidden_size", "name"),
  [
    (3, 64, 512, "wavefront"),
    (2, 1, 1, "wavefront"),
    (1, 64, 512, "hoisted"),  # no layers to run side by side
    (2, 150, 1000, "wavefront"),
    (2, 151, 1000, "hoisted"),  # one layer fills the card
  ],
)
def test_a_gpu_that_was_not_measured_goes_by_the_rule(
  monkeypatch: pytest.MonkeyPatch,
  layers: int,
  batch: int,
  hidden_size: int,
  name: str,
) -> None:
  monkeypatch.setattr(
    lstm_choice, "_table", lambda: [row(2, 1, 1, hoisted=1.0)]
  )
  sizes = layers, batch, hidden_size
  assert lstm_choice.fastest("gpu", *sizes, "bfloat16") == name
  assert lstm_choice.fastest("tpu", *sizes, "bfloat16") == "hoisted"


@pytest.mark.parametrize(
  ("sizes", "name"),
  [
    ((1, 1, 64), "wavefront"),
    ((1, 512, 512), "wavefront"),  # as many layers before all else
    ((2, 7, 250), "hoisted"),
    ((2, 30, 300), "wavefront"),
    ((9, 8, 256), "hoisted"),
    ((2, 128, 256), "hoisted"),  # hardly slower is not slower
  ],
)
def test_the_nearest_sizes_decide(
  monkeypatch: pytest.MonkeyPatch, sizes: tuple, name: str
) -> None:
  rows = [
    row(1, 8, 256, scan=1.0, hoisted=4.0, wavefront=2.0, cudnn=0.1),
    row(2, 8, 256, scan=9.0, hoisted=2.0, recomputed=1.0, wavefront=3.0),
    row(2, 32, 256, scan=9.0, hoisted=2.0, wavefront=1.0),
    row(2, 128, 256, hoisted=2.0, wavefront=1.9),
  ]
  monkeypatch.setattr(lstm_choice, "_table", lambda: rows)
  assert lstm_choice.fastest("cpu", *sizes, "float32") == name
  rows.reverse()
  assert lstm_choice.fastest("cpu", *sizes, "bfloat16") == name
  rows.append(row(1, 1, 1, hoisted=2.0, wavefront=1.0) | {"dtype": "bfloat16"})
  assert lstm_choice.fastest("cpu", *sizes, "bfloat16") == "wavefront"


def test_the_table_knows_a_cpu_and_names_what_there_is() -> None:
  rows = lstm_choice._table()
  assert any(row["platform"] == "cpu" for row in rows)
  for row in rows:
    assert set(row["milliseconds"]) <= set(config.IMPLEMENTATIONS) - {"auto"}
    assert set(row["milliseconds"]) >= {"hoisted", "wavefront"}


def test_the_table_travels_with_the_package() -> None:
  settings = (pathlib.Path(__file__).parents[2] / "pyproject.toml").read_text()
  assert f'"musegen_jax.models" = ["{lstm_choice.TABLE.name}"]' in settings


@pytest.mark.parametrize("name", ["wavefront", "hoisted"])
def test_auto_takes_what_was_chosen(
  monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
  inputs, _ = make_inputs(2, 2, 3, 4, "float32")
  asked, calls = [], []

  def fastest(*sizes: Any) -> str:
    asked.append(sizes)
    return name

  def wavefront(*arguments: Any) -> tuple:
    calls.append(arguments)
    return arguments[1], arguments[2]

  monkeypatch.setattr(lstm_choice, "fastest", fastest)
  monkeypatch.setattr(lstm_wavefront, "run", wavefront)
  # A new function each time, so that nothing traced before is used.
  jax.eval_shape(lambda *arguments: lstm.lstm(*arguments), *inputs)
  assert asked == [("cpu", 2, 3, 4, "float32")]
  assert bool(calls) == (name == "wavefront")
