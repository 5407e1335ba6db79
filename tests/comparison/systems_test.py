"""Names of runs, seeds of one model, and what cannot stand together."""

import pathlib
import shutil

import pytest

from musegen_jax.comparison import systems
from musegen_jax.comparison.systems import Named
from musegen_jax.errors import UserError
from tests.comparison.conftest import Runs


def parse(*values: str) -> list[tuple[str, str]]:
  found = systems.parse(list(values), "runs", named=False)
  return [(named.name, str(named.path)) for named in found]


def test_names_are_the_folders_without_numbers() -> None:
  assert parse("runs/lstm-0", "runs/lstm_12", "runs/vae") == [
    ("lstm", "runs/lstm-0"),
    ("lstm", "runs/lstm_12"),
    ("vae", "runs/vae"),
  ]
  assert parse("runs/vae-0/checkpoints/200") == [
    ("vae", "runs/vae-0/checkpoints/200")
  ]


def test_names_can_be_given() -> None:
  assert parse("my model:runs/a-0") == [("my model", "runs/a-0")]


@pytest.mark.parametrize("value", ["", ":", "name:", ":folder"])
def test_nonsense_is_named(value: str) -> None:
  with pytest.raises(UserError, match="must be name:folder"):
    systems.parse([value], "midi_dir", named=True)


def test_rows_of_every_report_cannot_be_names() -> None:
  with pytest.raises(UserError, match="'real' is a row of every report"):
    parse("real:runs/x")


def test_seeds_are_one_model(runs: Runs) -> None:
  named = [Named("lstm", runs.lstm), *(Named("vae", p) for p in runs.vae)]
  lstm, vae = systems.load(named, 8.0)
  assert (lstm.kind, len(lstm.runs)) == ("lstm", 1)
  assert (vae.kind, len(vae.runs)) == ("vae", 2)
  assert vae.runs[0].hearing == lstm.runs[0].hearing


def test_models_of_one_name_must_be_seeds(runs: Runs) -> None:
  named = [Named("model", runs.lstm), Named("model", runs.vae[0])]
  with pytest.raises(UserError, match=r"model\.kind: 'lstm' -> 'vae'"):
    systems.load(named, 8.0)


def test_a_copy_of_a_run_is_no_second_seed(
  runs: Runs, tmp_path: pathlib.Path
) -> None:
  copied = tmp_path / "copied"
  shutil.copytree(runs.lstm, copied)
  with pytest.raises(UserError, match=r"same train\.seed 0"):
    systems.load([Named("a", runs.lstm), Named("a", copied)], 8.0)
  with pytest.raises(UserError, match="twice"):
    systems.load([Named("a", runs.lstm), Named("a", runs.lstm)], 8.0)


def test_a_lone_checkpoint_has_no_metrics(
  runs: Runs, tmp_path: pathlib.Path
) -> None:
  alone = tmp_path / "4"
  shutil.copytree(runs.lstm / "checkpoints" / "4", alone)
  [model] = systems.load([Named("a", alone)], 8.0)
  assert systems.metrics_dir(model.runs[0]) is None
  [model] = systems.load([Named("a", runs.lstm / "checkpoints" / "4")], 8.0)
  assert systems.metrics_dir(model.runs[0]) == runs.lstm
