"""A whole evaluation of a VAE and its peer, on pieces built by the programs."""

import json
import pathlib
import types

import numpy as np
import pytest

from musegen_jax.errors import UserError
from musegen_jax.evaluation import collapse, vae_run, vae_table
from tests.evaluation import vae_runs


@pytest.fixture(scope="module")
def runs(
  tiny_dataset: pathlib.Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[types.SimpleNamespace, types.SimpleNamespace]:
  folder = tmp_path_factory.mktemp("runs")
  return (
    vae_runs.vae_run(tiny_dataset, folder / "vae"),
    vae_runs.lstm_run(tiny_dataset, folder / "lstm"),
  )


@pytest.fixture(scope="module")
def result(
  runs: tuple[types.SimpleNamespace, types.SimpleNamespace],
) -> dict:
  return vae_run.evaluate(
    runs[0], "train", "", runs[1], latent=True, bound_windows=24
  )


def test_counts_and_json(result: dict) -> None:
  assert json.loads(json.dumps(result, allow_nan=False)) == result
  assert result["windows"] == result["windows_of_split"] > 30
  assert result["pieces"] > 5 and result["same_data"]
  assert result["steps"] == 32 * result["windows"]


def test_rows_stand_on_the_same_windows(result: dict) -> None:
  blocks = result["blocks"]
  assert [block["windows"] for block in blocks] == [result["windows"], 24, 6]
  names = [[row["model"] for row in block["rows"]] for block in blocks]
  bounds = [f"VAE, bound K = {count}" for count in (1, 64, 512)]
  for number, found in enumerate(names):
    assert found == ["VAE, ELBO", *bounds[: number + 1], "LSTM"]
  for block in blocks:
    rows = {row["model"]: row for row in block["rows"]}
    for row in block["rows"]:
      value, low, high = row["nats_per_step"]
      assert 0 < low <= value <= high
      assert row["bits_per_window"][0] == pytest.approx(
        32 * value / np.log(2), rel=1e-6
      )
    gap = block["gap_to_lstm_per_cent"]["VAE, ELBO"][0]
    elbo, lstm = (rows[n]["nats_per_note"][0] for n in ("VAE, ELBO", "LSTM"))
    assert gap == pytest.approx(100 * (elbo / lstm - 1))
  for block, few, many in ((blocks[1], 0, 1), (blocks[2], 1, 2)):
    rows = {row["model"]: row["nats_per_step"][0] for row in block["rows"]}
    assert rows[bounds[many]] != rows[bounds[few]]


def test_accuracies_stand_side_by_side(result: dict) -> None:
  rows = result["accuracy"]["rows"]
  assert [(row["way"], row["z"]) for row in rows] == [
    (way, z)
    for way in ("teacher-forced", "free-running")
    for z in ("own z", "z of another piece")
  ]
  for own, other in (rows[:2], rows[2:]):
    assert own["steps"] != other["steps"]
  assert len(result["accuracy"]["onset_ratio"]) == 3


def test_an_untrained_model_is_called_collapsed(result: dict) -> None:
  assert any("KL" in reason for reason in result["collapsed"])
  text = vae_table.markdown(result)
  assert "COLLAPSED: KL" in text and collapse.ADVICE in text


def test_the_table_says_what_it_measures(result: dict) -> None:
  text = vae_table.markdown(result)
  for part in (
    f"{result['pieces']} pieces, {result['windows']} of",
    "pooled: ",
    "| VAE, bound K = 512 | upper bound on NLL |",
    "| LSTM | exact NLL |",
    "| free-running | z of another piece |",
    "x that with the z of another piece",
    "Gaussian fitted on",
    "Spearman",
    "| mean_pitch |",
  ):
    assert part in text, part


def test_without_peer_and_latent_space(
  runs: tuple[types.SimpleNamespace, types.SimpleNamespace],
) -> None:
  found = vae_run.evaluate(
    runs[0], "valid", "", None, latent=None, bound_windows=1
  )
  assert "latent" not in found
  assert "LSTM" not in [row["model"] for row in found["blocks"][0]["rows"]]
  assert "| LSTM |" not in vae_table.markdown(found)


@pytest.mark.parametrize(
  ("section", "field", "value", "says"),
  [
    ("model", "kind", "vae", "model.kind is vae, not lstm"),
    ("data", "unit", "piece", "data.unit is piece, not window"),
    ("train", "window", 64, "train.window is 64, not 32"),
  ],
)
def test_a_peer_of_other_windows_is_refused(
  runs: tuple[types.SimpleNamespace, types.SimpleNamespace],
  section: str,
  field: str,
  value: object,
  says: str,
) -> None:
  meta = json.loads(json.dumps(runs[1].meta))
  meta["config"][section][field] = value
  with pytest.raises(UserError, match=says):
    vae_run.check_peer(runs[0].meta, meta)


@pytest.mark.parametrize(
  ("key", "says"),
  [
    ("vocabulary_hash", "vocabulary is melody other, not melody"),
    ("data_fingerprint", "data's fingerprint is other, not"),
  ],
)
def test_a_peer_of_other_data_is_refused(
  runs: tuple[types.SimpleNamespace, types.SimpleNamespace],
  key: str,
  says: str,
) -> None:
  vae_run.check_peer(runs[0].meta, runs[1].meta)
  with pytest.raises(UserError, match=says):
    vae_run.check_peer(runs[0].meta, runs[1].meta | {key: "other"})
