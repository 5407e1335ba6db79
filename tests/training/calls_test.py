"""Several steps in one dispatch: which, and that the run is the same."""

import contextlib
import functools
import itertools
import logging
import pathlib
import types
from collections.abc import Callable, Iterator

import jax
import numpy as np
import pytest

from musegen_jax import config as config_lib
from musegen_jax.errors import UserError
from musegen_jax.evaluation import likelihood
from musegen_jax.training import (
  calls,
  checkpoints,
  loop,
  metrics,
  pace,
  run,
  writer,
)
from musegen_jax.training import setup as setup_lib


def settings(**changes: int) -> config_lib.Train:
  every = {"log_every": 20, "evaluate_every": 250, "checkpoint_every": 250}
  return config_lib.Train(**(every | changes))


@pytest.mark.parametrize(
  ("changes", "expected"),
  [
    ({"steps_per_call": 0}, 1),  # a CPU
    ({"steps_per_call": 8}, 5),  # the intervals are multiples of ten
    ({"steps_per_call": 100}, 10),
    ({"steps_per_call": 8, "checkpoint_every": 251}, 1),
    ({"steps_per_call": 8, "log_every": 8, "evaluate_every": 16}, 2),
  ],
)
def test_a_call_divides_every_interval(changes: dict, expected: int) -> None:
  assert calls.steps_per_call(settings(**changes)) == expected


def test_an_accelerator_makes_several(monkeypatch: pytest.MonkeyPatch) -> None:
  monkeypatch.setattr(jax, "default_backend", lambda: "gpu")
  assert calls.steps_per_call(settings()) == 5


@pytest.mark.parametrize(("first", "last"), [(0, 11), (3, 4), (6, 16), (7, 7)])
def test_spans_are_whole_or_single(first: int, last: int) -> None:
  spans = list(calls.spans(first, last, 4))
  assert [step for span in spans for step in span] == list(range(first, last))
  for span in spans:
    assert len(span) == 1 or (len(span) == 4 and span.start % 4 == 0)
  assert sum(len(span) == 1 for span in spans) <= 6


def outcome(workdir: pathlib.Path) -> tuple:
  """Parameters at the end, and the rows of metrics without the clock's."""
  params = checkpoints.load(workdir / "checkpoints" / "14").params
  rows = [
    {name: value for name, value in row.items() if "second" not in name}
    for row in writer.read_metrics(workdir)
  ]
  return params, rows


def test_a_run_does_not_depend_on_the_size_of_a_call(
  tiny_config: config_lib.Config,
  tmp_path: pathlib.Path,
  monkeypatch: pytest.MonkeyPatch,
) -> None:
  train = tiny_config.train
  train.steps, train.log_every = 14, 4
  train.evaluate_every, train.checkpoint_every = 8, 4
  train.steps_per_call = 1
  run.train(tiny_config, tmp_path / "single", "")
  made = []
  feed = calls.feed

  def note(*arguments: object) -> object:
    for call in feed(*arguments):
      made.append(len(call.steps))
      yield call

  monkeypatch.setattr(calls, "feed", note)
  train.steps_per_call = 4
  run.train(tiny_config, tmp_path / "four", "")
  assert made == [4, 4, 4, 1, 1]

  class Killed(Exception):
    pass

  summary = loop._summary

  def kill_at_twelve(pending: list) -> dict:
    if pending[-1][0].stop == 12:
      raise Killed
    return summary(pending)

  with monkeypatch.context() as patch:
    patch.setattr(loop, "_summary", kill_at_twelve)
    with pytest.raises(Killed):
      run.train(tiny_config, tmp_path / "killed", "")
  # Another machine, another size of call: the run goes on all the same.
  train.steps_per_call = 2
  run.train(tiny_config, tmp_path / "killed", "")

  params, rows = outcome(tmp_path / "single")
  for name in ("four", "killed"):
    others, other_rows = outcome(tmp_path / name)
    assert other_rows == rows
    for a, b in zip(
      jax.tree.leaves(others), jax.tree.leaves(params), strict=True
    ):
      np.testing.assert_array_equal(a, b)


def test_a_row_counts_every_token_since_the_last_alike() -> None:
  # Three steps of two calls, two tokens each, of which the mask leaves some.
  nll = np.array([[1, 2], [3, 9], [5, 6]], np.float32)
  mask = np.array([[1, 1], [1, 0], [1, 1]], np.float32)
  norm = np.array([7, 8, 9], np.float32)
  stacked = jax.vmap(
    lambda nll, mask, norm: metrics.TrainMetrics.single_from_model_output(
      nll=nll, correct=nll > 4, mask=mask, gradient_norm=norm
    )
  )(nll, mask, norm)

  def of(steps: slice) -> metrics.TrainMetrics:
    return jax.tree.map(lambda array: array[None, steps], stacked)

  pending = [(range(2), of(slice(0, 2))), (range(2, 3), of(slice(2, 3)))]
  assert loop._summary(pending) == pytest.approx(
    {"loss": 17 / 5, "accuracy": 2 / 5, "gradient_norm": 9}
  )


def test_a_loss_that_is_no_number_names_its_own_step(
  tiny_config: config_lib.Config, tmp_path: pathlib.Path
) -> None:
  train = tiny_config.train
  train.steps = train.log_every = train.evaluate_every = 8
  train.checkpoint_every, train.steps_per_call = 8, 8
  # The first update, of rate 0, does no harm; the second breaks everything.
  tiny_config.optimizer.learning_rate = 1e38
  with pytest.raises(UserError, match=r"^step 3: loss"):
    run.train(tiny_config, tmp_path / "broken", "")


def test_a_signal_stops_after_the_call_and_the_run_goes_on(
  tiny_config: config_lib.Config,
  tmp_path: pathlib.Path,
  monkeypatch: pytest.MonkeyPatch,
) -> None:
  train = tiny_config.train
  train.steps, train.steps_per_call = 14, 4
  train.log_every = train.evaluate_every = train.checkpoint_every = 8
  run.train(tiny_config, tmp_path / "straight", "")

  @contextlib.contextmanager
  def at_once() -> Iterator[Callable[[], bool]]:
    yield lambda: True

  with monkeypatch.context() as patch:
    patch.setattr(run, "stop_on_signals", at_once)
    run.train(tiny_config, tmp_path / "stopped", "")
  assert checkpoints.load(tmp_path / "stopped").step == 4
  assert writer.read_metrics(tmp_path / "stopped")[-1]["step"] == 4
  run.train(tiny_config, tmp_path / "stopped", "")

  params, rows = outcome(tmp_path / "straight")
  others, other_rows = outcome(tmp_path / "stopped")
  assert other_rows[-1] == rows[-1]
  jax.tree.map(np.testing.assert_array_equal, others, params)


def test_a_run_compiles_its_steps_and_its_validation_once(
  tiny_config: config_lib.Config,
  tmp_path: pathlib.Path,
  monkeypatch: pytest.MonkeyPatch,
  caplog: pytest.LogCaptureFixture,
) -> None:
  train = tiny_config.train
  # A size no other test has, so that nothing is compiled beforehand.
  tiny_config.model.hidden_size = 7
  train.steps, train.steps_per_call = 10, 4
  train.log_every = train.evaluate_every = train.checkpoint_every = 4
  # Several batches of several windows, the last of fewer pieces.
  score = functools.partial(likelihood.score, batch_size=4, window=16)
  monkeypatch.setattr(likelihood, "score", score)
  with jax.log_compiles(), caplog.at_level(logging.WARNING):
    run.train(tiny_config, tmp_path, "")
  messages = [
    record.getMessage()
    for record in caplog.records
    if record.getMessage().startswith("Compiling jit(")
  ]
  names = [message.split()[1] for message in messages]
  # What pmap runs has one name: the state's way to the devices, the steps of a
  # call and the two single ones left at the end. The messages tell the shapes:
  # three alone might be one of these twice and another not at all.
  pmapped = [text for text in messages if text.split()[1] == "jit(_fun)"]
  assert len(pmapped) == len(set(pmapped)) == 3
  assert names.count("jit(_score_window)") == 1
  assert names.count("jit(_without_device_axis)") == 1


def test_pace_counts_the_steps_of_its_calls(
  tiny_config: config_lib.Config, monkeypatch: pytest.MonkeyPatch
) -> None:
  train = tiny_config.train
  train.steps_per_call = 4
  train.log_every = train.evaluate_every = train.checkpoint_every = 8
  # A second passes from one look at the clock to the next: a call a second.
  ticks = itertools.count(0.0)
  clock = types.SimpleNamespace(monotonic=lambda: next(ticks))
  monkeypatch.setattr(pace, "time", clock)
  assert pace.steps_in(setup_lib.prepare(tiny_config, ""), 5.0) == 20
