"""Language models of windows, scored as they were trained."""

import dataclasses
import pathlib

import numpy as np
import pytest

from musegen_jax import config as config_lib
from musegen_jax.data import shards, windows
from musegen_jax.data.codecs import codec as codec_lib
from musegen_jax.errors import UserError
from musegen_jax.evaluation import run, table, window_likelihood
from musegen_jax.models import language_model
from tests.evaluation import vae_runs
from tests.evaluation.tiny_vae import CODEC
from tests.evaluation.tiny_vae import windows as make_windows


def test_windows_beside_their_baselines(
  tiny_dataset: pathlib.Path, tmp_path: pathlib.Path
) -> None:
  loaded = vae_runs.lstm_run(tiny_dataset, tmp_path / "lstm")
  result = run.evaluate(loaded.params, loaded.meta, "test", "", True)
  every = windows.encode_split(
    shards.open_dataset(tiny_dataset), "test", CODEC, 32, 4
  )
  config = config_lib.from_dict(loaded.meta["config"])
  model = language_model.from_config(config.model, CODEC)
  scores = window_likelihood.score(model, loaded.params, every.tokens, CODEC)
  assert result["windows"] == len(every)
  assert result["pieces"] == len(every.rows)
  assert result["events"] == scores.events.sum() == 32 * len(every)
  lstm, unigram, adapting, best = result["rows"]
  assert lstm["nats_per_event"][0] == pytest.approx(
    scores.nll.sum() / scores.events.sum()
  )
  assert adapting["model"] == "unigram adapting to the window"
  assert best["bits_per_note"][0] < unigram["bits_per_note"][0]
  assert f"{len(every)} windows" in table.markdown(result)


def test_framed_windows_have_no_pads() -> None:
  tokens = make_windows(3)
  found = run.framed(tokens, CODEC)
  assert np.diff(found.offsets).tolist() == [25, 33, 33]
  assert found.piece(0)[0] == CODEC.begin
  assert not np.isin(found.tokens, (CODEC.pad, CODEC.end)).any()
  np.testing.assert_array_equal(found.piece(1)[1:], tokens[1])


def test_a_checkpoint_keeps_its_grid() -> None:
  config = config_lib.Config()
  config.data.codec, config.data.steps_per_beat = "frames", 1
  on_quarters = codec_lib.of("frames", 1)
  meta = {
    "config": dataclasses.asdict(config),
    "vocabulary_hash": on_quarters.vocabulary_hash,
  }
  assert run.codec_of(meta) is on_quarters
  meta["config"]["data"]["steps_per_beat"] = 2
  with pytest.raises(UserError, match="'frames' has changed"):
    run.codec_of(meta)
