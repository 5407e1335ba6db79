"""Figures of a row, by hand."""

import numpy as np
import pytest

from musegen_jax.data import corpus
from musegen_jax.data.codecs import melody
from musegen_jax.evaluation import table
from musegen_jax.evaluation.likelihood import Scores

CODEC = melody.CODEC
SIZES = table.Sizes(np.array([10.0, 30.0]), np.array([5.0, 5.0]))
EVENTS = np.array([20.0, 40.0])
BITS = np.log(2)
GOOD = Scores(BITS * np.array([20.0, 20.0]), np.array([5.0, 10.0]), EVENTS)
BAD = Scores(BITS * np.array([30.0, 30.0]), np.array([0.0, 0.0]), EVENTS)


def test_sizes_count_notes_and_seconds() -> None:
  pieces = [CODEC.framed(np.array(t)) for t in ([40, 0, 1, 42], [50] * 8)]
  sizes = table.sizes(corpus.from_pieces(pieces, [{}] * 2, {}), CODEC)
  assert sizes.notes.tolist() == [2, 8]
  assert sizes.seconds.tolist() == [0.5, 1.0]


def test_row_is_pooled() -> None:
  row = table.row("model", GOOD, SIZES)
  values = {name: row[name][0] for name in row if name != "model"}
  assert values == pytest.approx(
    {
      "nats_per_event": 40 * BITS / 60,
      "bits_per_note": 40 / 40,
      "bits_per_second": 40 / 10,
      "perplexity": 2 ** (40 / 60),
      "accuracy": 15 / 60,
    }
  )
  for name in values:
    value, low, high = row[name]
    assert low <= value <= high


def test_gain_is_paired() -> None:
  gain = table.gain("bad", GOOD, BAD, SIZES)
  value, low, high = gain["bits_per_note"]
  # Per piece 1 and 1/3 bits a note better, whatever pieces are drawn.
  assert value == pytest.approx(0.5)
  assert 1 / 3 - 1e-9 <= low <= value <= high <= 1 + 1e-9
