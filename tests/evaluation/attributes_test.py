"""Attributes of windows written out by hand, and directions planted."""

import numpy as np
import pytest

from musegen_jax.data.codecs import drums, performance
from musegen_jax.evaluation import attributes
from tests.evaluation.tiny_vae import CODEC, melody_of


def values(*windows: np.ndarray) -> dict[str, list[float]]:
  found = attributes.compute(np.stack(windows), CODEC)
  return dict(zip(attributes.NAMES, found.T.tolist(), strict=True))


def test_density_pitch_and_interval() -> None:
  held = melody_of("60 - 67 - 64 x - - - - - - - - - -")
  waltz = melody_of("60 - - - 60 - - - 48 - - - . . . .")
  found = values(held, waltz)
  assert found["note_density"] == pytest.approx([3 / 16, 3 / 12])
  assert found["mean_pitch"] == pytest.approx([191 / 3, 56])
  assert found["mean_interval"] == pytest.approx([(7 + 3) / 2, (0 + 12) / 2])


def test_what_is_not_there_is_nan() -> None:
  silent = melody_of("- - - - x - - - - - - - - - - -")
  single = melody_of("60 - - - - - - - - - - - - - - -")
  found = values(silent, single)
  assert found["note_density"] == [0, 1 / 16]
  np.testing.assert_array_equal(found["mean_pitch"], [np.nan, 60])
  np.testing.assert_array_equal(found["mean_interval"], [np.nan, np.nan])
  np.testing.assert_array_equal(found["syncopation"], [np.nan, 0])
  np.testing.assert_array_equal(found["fraction_in_key"], [np.nan, 1])


def test_weights_of_the_bar() -> None:
  common = [0, -4, -3, -4, -2, -4, -3, -4, -1, -4, -3, -4, -2, -4, -3, -4]
  assert attributes.meter_weights(16).tolist() == common
  waltz = [0, -3, -2, -3, -1, -3, -2, -3, -1, -3, -2, -3]
  assert attributes.meter_weights(12).tolist() == waltz
  assert attributes.meter_weights(6).tolist() == [0, -2, -1, -2, -1, -2]


def test_syncopation_by_hand() -> None:
  straight = melody_of("60 - - - 62 - - - 64 - - - 65 - - -", "67" + " -" * 15)
  # From the second eighth (-3) over the second quarter (-2): 1. From the
  # fourth (-3) over the half (-1): 2. From the last quarter (-2) over the next
  # bar's first (0): 2. Over a rest as over a held note; the last is 0.
  late = melody_of(
    "60 - 62 - - - 64 - - x - - 65 - - -", "- - - - - - - - 67" + " -" * 7
  )
  # In 3/4 from the second eighth (-2) over the second quarter (-1): 1.
  waltz = melody_of(
    "60 - 62 - - - - - - - - - . . . .", "60 - - - - - - - - - - - . . . ."
  )
  found = values(straight, late, waltz)["syncopation"]
  assert found == pytest.approx([0, 5 / 5, 1 / 3])


def test_share_of_the_best_key() -> None:
  scale = "60 - 62 - 64 - 65 - 67 - 69 - 71 - 72 -"
  chromatic = "60 - 64 - 67 - 66 - 67 - 65 - 62 - 60 -"
  minor = "57 - 60 - 64 - 57 - 59 - 60 - 56 - 57 -"
  found = values(*map(melody_of, (scale, chromatic, minor)))
  # F sharp is out of C major; G sharp, the leading tone, out of A minor.
  assert found["fraction_in_key"] == pytest.approx([1, 7 / 8, 7 / 8])


def test_transposition_moves_the_pitch_alone() -> None:
  rng = np.random.default_rng(0)
  tokens = np.where(
    rng.random((50, 32)) < 0.5, rng.integers(30, 60, (50, 32)), 0
  )
  moved = np.where(tokens >= 2, tokens + 7, tokens)
  before, after = (attributes.compute(t, CODEC) for t in (tokens, moved))
  shift = np.array([[0, 7, 0, 0, 0]])
  np.testing.assert_allclose(after, before + shift, atol=1e-12)


def test_drums_and_streams_have_what_they_can_have() -> None:
  word = 2 ** np.array([0, 2])  # kick, closed hi-hat
  beat = np.zeros((1, 16), int)
  beat[0, [0, 8]], beat[0, 4] = word.sum(), word[1]
  [found] = attributes.compute(beat, drums.CODEC)
  np.testing.assert_allclose(found, [5 / 16, np.nan, np.nan, 0, np.nan])
  codec = performance.CODEC
  opening = (codec.grammar.opens >= 0).nonzero()[0]
  shift = codec.grammar.steps.argmax()
  [found] = attributes.compute(np.array([[opening[40], shift]]), codec)
  assert found[0] == 1 / codec.grammar.steps.max()
  assert np.isnan(found[3]) and not np.isinf(found).any()
