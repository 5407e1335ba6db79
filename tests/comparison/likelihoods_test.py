"""The same excerpts under every model, and what cannot stand beside it."""

import dataclasses

import numpy as np

from musegen_jax.comparison import accuracy, likelihoods, systems
from musegen_jax.comparison.hearing import Excerpt, Hearing
from musegen_jax.comparison.likelihoods import EXACT, Surprise
from musegen_jax.comparison.systems import Named, Run
from musegen_jax.data.codecs import codec as codec_lib
from musegen_jax.evaluation import baselines, run
from tests.comparison import tunes
from tests.comparison.conftest import Runs

MELODY = codec_lib.load("melody")
HEARING = Hearing(MELODY, 64, 8.0)


def excerpts(count: int) -> list[Excerpt]:
  pieces = [tunes.tune(number) for number in range(count)]
  return [HEARING.excerpt(HEARING.cut(p)[0], n) for n, p in enumerate(pieces)]


def loaded(runs: Runs) -> tuple[Run, Run]:
  named = [Named("lstm", runs.lstm), Named("vae", runs.vae[0])]
  lstm, vae = systems.load(named, 8.0)
  return lstm.runs[0], vae.runs[0]


def test_sizes_are_those_of_the_music() -> None:
  some = excerpts(3)
  found = likelihoods.sizes(some, HEARING)
  assert found.notes.tolist() == [len(e.piece.notes) for e in some]
  assert found.seconds.tolist() == [8.0] * 3
  assert found.events.tolist() == [64.0] * 3


def test_models_are_scored_on_their_own(runs: Runs) -> None:
  some = excerpts(5)
  lstm, vae = loaded(runs)
  both = [likelihoods.of_run(own, some, HEARING, 16) for own in (lstm, vae)]
  alone = [
    likelihoods.of_run(own, some[:2], HEARING, 16) for own in (lstm, vae)
  ]
  for whole, part in zip(both, alone, strict=True):
    np.testing.assert_allclose(whole.nats[:2], part.nats, rtol=1e-4)
  # Hardly trained: about as surprised as by chance among 90 tokens.
  assert 0.5 < both[0].nats.mean() / (64 * np.log(90)) < 1.2
  assert both[0].measured == EXACT and both[0].right.max() <= 64
  assert "K = 16" in both[1].measured and both[1].right is None
  assert both[1].returned[0].shape == (5,)


def test_an_ngram_is_exact(runs: Runs) -> None:
  some = excerpts(20)
  corpus = run.framed([each.tokens for each in some], MELODY)
  _, best = baselines.fit(corpus, corpus, MELODY, 0)
  found = likelihoods.of_ngram(best, some[:4], HEARING)
  expected = baselines.nll(best, corpus)[:4]
  np.testing.assert_allclose(found.nats, expected)


def test_reasons_against_a_likelihood(runs: Runs) -> None:
  lstm, _ = loaded(runs)
  assert likelihoods.reason_against(lstm, HEARING) == ""
  longer = Hearing(MELODY, 128, 16.0)
  assert "windows of 4 bars" in likelihoods.reason_against(lstm, longer)
  spoken = Hearing(codec_lib.load("performance"), 64, 8.0)
  assert "codec, melody" in likelihoods.reason_against(lstm, spoken)
  model = dataclasses.replace(lstm.config.model, kind="frames")
  config = dataclasses.replace(lstm.config, model=model)
  frames = dataclasses.replace(lstm, config=config)
  assert "of frames" in likelihoods.reason_against(frames, HEARING)


def test_the_table_pools_excerpts_and_averages_seeds() -> None:
  sizes = likelihoods.Sizes(
    np.array([10.0, 30.0]), np.array([5.0, 5.0]), np.array([20.0, 20.0])
  )
  surprises = [
    Surprise(np.array([20.0, 20.0]), EXACT, np.array([10.0, 20.0])),
    Surprise(np.array([40.0, 40.0]), EXACT, np.array([10.0, 20.0])),
  ]
  scored = {
    "a": accuracy.Scored(surprises, "", [np.array([0.5, np.nan])] * 2),
    "b": accuracy.Scored([], "it speaks another codec", []),
  }
  found = accuracy.table(scored, sizes)
  rows = {row["system"]: row["cells"] for row in found["rows"]}
  assert rows["a"]["nats_per_note"][0] == 60 / 40
  assert rows["a"]["nats_per_second"][0] == 6
  assert rows["a"]["next_event"][0] == 0.75
  assert rows["a"]["continuation"][0] == 0.5
  assert rows["b"]["nats_per_note"] is None
  assert "b: it speaks another codec" in found["caption"]
