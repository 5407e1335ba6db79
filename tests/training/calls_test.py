"""Several steps in one dispatch: which, and that the run is the same."""

import pathlib

import jax
import numpy as np
import pytest

from musegen_jax import config as config_lib
from musegen_jax.errors import UserError
from musegen_jax.training import calls, checkpoints, loop, run, writer


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
