"""Markov chains of each voice, by hand and against the network's scores."""

import itertools
import math
import pathlib

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from musegen_jax.data import corpus, midi
from musegen_jax.data.codecs import voices
from musegen_jax.evaluation import likelihood, run, table
from musegen_jax.evaluation import voice_baselines as chains
from musegen_jax.models import language_model
from tests import untrained
from tests.conftest import run_module

CODEC = voices.CODEC
HOLD, REST = CODEC.offsets["hold"], CODEC.offsets["rest"]
A, B = (CODEC.offsets["pitch"] + value for value in (30, 40))


def make_corpus(pieces: list[list[list[int]]]) -> corpus.Corpus:
  """Pieces as rows of four tokens."""
  framed = [CODEC.framed(np.array(rows).ravel()) for rows in pieces]
  return corpus.from_pieces(framed, [{}] * len(framed), {})


def random_corpus(seed: int, pieces: int = 3) -> corpus.Corpus:
  rng = np.random.default_rng(seed)
  rows = [
    rng.choice(
      [HOLD, REST, A, B], (rng.integers(5, 30), 4), p=(0.6, *[2 / 15] * 3)
    )
    for _ in range(pieces)
  ]
  return make_corpus(rows)


def test_counts_know_what_sounded_and_where() -> None:
  rows = [[A, REST, B, A], [HOLD, HOLD, B, REST], *[[HOLD] * 4] * 3]
  counts = chains.count([make_corpus([rows]).piece(0)], CODEC)
  assert counts.shape == (4, 4, CODEC.begin, CODEC.begin)
  assert counts.sum() == 20
  assert counts[0, 0, REST, A] == 1 and counts[0, 0, A, HOLD] == 1
  assert counts[0, 1, A, HOLD] == 1
  # A rest is held as one.
  assert counts[1, :, REST, HOLD].tolist() == [1, 1, 1, 1]
  assert counts[2, 1, B, B] == 1
  assert counts[3, 1, A, REST] == counts[3, 2, REST, HOLD] == 1


def test_scores_are_those_of_the_recipe() -> None:
  train, test = random_corpus(0), random_corpus(1)
  weights = (2.0, 5.0, 20.0)
  counts = chains.count([train.piece(i) for i in range(len(train))], CODEC)
  for order, shares in enumerate(chains.tables(counts, weights)):
    scores = chains.score(shares, test, CODEC)
    for index in range(len(test)):
      rows = test.piece(index)[1:-1].reshape(-1, 4)
      for voice in range(4):
        before, nats = REST, 0.0
        for step, token in enumerate(rows[:, voice]):
          prob = 1 / CODEC.begin
          cells = (counts[voice].sum((0, 1)), counts[voice].sum(0)[before])
          cells = (*cells, counts[voice, step % 4, before])
          for cell, weight in list(zip(cells, weights, strict=True))[
            : order + 1
          ]:
            prob = (cell[token] + weight * prob) / (cell.sum() + weight)
          nats -= math.log(prob)
          before = before if token == HOLD else token
        assert scores.nll[index, voice] == pytest.approx(nats)
        assert scores.notes[index, voice] == len(rows)


def test_tables_are_distributions() -> None:
  train = random_corpus(0)
  counts = chains.count([train.piece(0)], CODEC)
  for shares in chains.tables(counts, (1.0, 10.0, 100.0)):
    np.testing.assert_allclose(shares.sum(-1), 1)


def test_weights_and_transposition_are_chosen_on_the_validation_split() -> None:
  train, valid = random_corpus(0, 6), random_corpus(1, 6)
  chosen = chains.fit(train, valid, CODEC, 0)
  counts = chains.count([train.piece(i) for i in range(6)], CODEC)
  for order, name in enumerate(chains.NAMES):
    best = min(
      chains.score(chains.tables(counts, w)[order], valid, CODEC).nll.sum()
      for w in itertools.product((0.5, 2.0, 20.0), repeat=order + 1)
    )
    found = chains.score(chosen[name], valid, CODEC).nll.sum()
    assert found <= best + 1e-9
  # In another key nothing is known but by transposition.
  moved = [CODEC.transpose(valid.piece(i), 2) for i in range(6)]
  other = corpus.from_pieces(moved, [{}] * 6, {})
  names = chains.fit(train, other, CODEC, 3)
  assert all(name.endswith(", transposed ±3") for name in names)


def test_network_is_scored_without_the_end() -> None:
  model = language_model.LanguageModel(CODEC.vocab_size, 4, 4, 1, cycle=16)
  tokens = jnp.zeros((1, 1), jnp.int32)
  params = model.init(jax.random.key(0), tokens, model.zero_carry(1))["params"]
  data = random_corpus(2)
  scores = chains.score_network(model, params, data, CODEC)
  every = likelihood.token_scores(model, [params], data, CODEC, np.arange(3))
  for index, nats, _ in every:
    for voice in range(4):
      own = nats[voice:-1:4]
      assert scores.nll[index, voice] == pytest.approx(own.sum(), rel=1e-5)
      assert scores.notes[index, voice] == len(own)
  row = chains.row("LSTM", scores)
  assert row["nats_per_note"][0] == pytest.approx(
    scores.nll.sum() / scores.notes.sum()
  )
  lines = chains.table([row])
  assert "229/76/77" in lines[0] and lines[-1].startswith("| LSTM | ")


def test_evaluation_has_the_rows_beside_the_others(
  tmp_path: pathlib.Path,
) -> None:
  rng = np.random.default_rng(0)
  (tmp_path / "midi").mkdir()
  for number in range(24):
    rows = rng.choice([HOLD, *range(30, 50)], (40, 4))
    rows[0] = A, A - 5, A - 9, A - 15
    piece = CODEC.decode(rows.ravel())
    midi.write_midi(piece, tmp_path / "midi" / f"{number}.mid")
  run_module(
    "data_prep.build_shards",
    f"--midi_dir={tmp_path / 'midi'}",
    f"--output_dir={tmp_path / 'shards'}",
    "--workers=1",
    "--num_shards=2",
    "--valid_fraction=0.2",
    "--test_fraction=0.2",
  )
  loaded = untrained.checkpoint(
    tmp_path / "shards", tmp_path, codec="voices", kind="lstm", unit="piece"
  )
  result = run.evaluate(loaded.params, loaded.meta, "test", "", True)
  lstm, *chain_rows = result["voices"]
  assert [row["model"].split(",")[0] for row in chain_rows] == [*chains.NAMES]
  # Of the same tokens as in the rows above, but for the ends.
  notes = result["events"] - result["pieces"]
  pooled = np.mean(list(lstm["by_voice"].values()))
  assert notes % 4 == 0 and lstm["nats_per_note"][0] == pytest.approx(pooled)
  text = table.markdown(result)
  assert text.count("| LSTM | ") == 2 and "229/76/77" in text
  result = run.evaluate(loaded.params, loaded.meta, "valid", "", False)
  assert [row["model"] for row in result["voices"]] == ["LSTM"]
