"""The first half is given; what comes is compared with what came."""

import numpy as np
import pytest

from musegen_jax.comparison import continuation, systems
from musegen_jax.comparison.hearing import Excerpt, Hearing
from musegen_jax.comparison.systems import Named, Run
from musegen_jax.data import notes
from musegen_jax.data.codecs import codec as codec_lib
from tests.comparison import tunes
from tests.comparison.conftest import Runs

MELODY = codec_lib.load("melody")
HEARING = Hearing(MELODY, 64, 8.0)


def line(*steps: tuple[int, int]) -> notes.Piece:
  """Notes of a sixteenth at 120 beats a minute: (sixteenth, pitch)."""
  starts, pitches = np.array(steps).T
  table = notes.make_notes(starts * 6, np.full(len(steps), 6), pitches)
  return notes.Piece(24, table)


def f1(mine: notes.Piece, real: notes.Piece, first: float) -> float:
  return float(continuation.f1([mine], [real], np.array([first]))[0])


def test_f1_counts_notes_of_the_second_half() -> None:
  real = line((0, 60), (8, 62), (10, 64), (12, 65), (14, 67))
  mine = line((0, 99), (8, 62), (10, 65), (12, 65))
  # Two of three are right, of four that came: 2 * 2 / (3 + 4).
  assert f1(mine, real, 1.0) == pytest.approx(4 / 7)
  assert f1(real, real, 1.0) == 1
  assert f1(line((0, 60)), real, 1.0) == 0
  assert np.isnan(f1(line((0, 60)), line((0, 61)), 1.0))


def excerpts(count: int) -> list[Excerpt]:
  pieces = [tunes.tune(number) for number in range(count)]
  return [HEARING.excerpt(HEARING.cut(p)[0], n) for n, p in enumerate(pieces)]


def test_tunes_that_repeat_are_foretold_by_their_first_half() -> None:
  some = excerpts(4)
  given = continuation.primers(some, HEARING)
  assert [len(each) for each in given] == [32] * 4
  said = [HEARING.decode(each) for each in continuation.again(given)]
  scores = continuation.f1(said, [e.piece for e in some], np.full(4, 4.0))
  np.testing.assert_array_equal(scores, 1)


def test_half_of_the_time_is_given_of_pieces() -> None:
  own = Hearing(codec_lib.load("performance"), 0, 6.0)
  some = [own.excerpt(own.cut(tunes.tune(0))[0], 0)]
  [given] = continuation.primers(some, own)
  assert 2.5 < own.codec.duration_seconds(given) <= 3.0
  np.testing.assert_array_equal(given, some[0].tokens[: len(given)])


def loaded(runs: Runs) -> tuple[Run, Run]:
  named = [Named("lstm", runs.lstm), Named("vae", runs.vae[0])]
  lstm, vae = systems.load(named, 8.0)
  return lstm.runs[0], vae.runs[0]


def test_models_go_on_from_what_is_given(runs: Runs) -> None:
  given = continuation.primers(excerpts(5), HEARING)
  for own in loaded(runs):
    said = continuation.of_run(own, HEARING, seed=0)(given)
    again = continuation.of_run(own, HEARING, seed=0)(given)
    other = continuation.of_run(own, HEARING, seed=1)(given)
    for number, first in enumerate(given):
      np.testing.assert_array_equal(said[number][: len(first)], first)
      np.testing.assert_array_equal(said[number], again[number])
      assert len(said[number]) == 64
    assert any((a != b).any() for a, b in zip(said, other, strict=True))


def test_candidates_are_those_that_were_weighed(runs: Runs) -> None:
  """z of a chosen candidate gives the ratio that its weight was made of."""
  from musegen_jax.evaluation import bounds, latent_space
  from musegen_jax.models import vae as vae_lib

  own = loaded(runs)[1]
  model = vae_lib.from_config(own.config, MELODY)
  tokens = HEARING.stack(excerpts(3))
  posterior = latent_space.encode(own.params, model, tokens)
  drawn = bounds.sample(
    own.params,
    model,
    MELODY,
    tokens,
    posterior,
    np.arange(3),
    samples=continuation.CANDIDATES,
    seed=7,
  )
  chosen = np.array([0, 17, 63])
  z = continuation._candidates(posterior, chosen, 7, model.latent_size)
  # log p(z) - log q(z | x), from z itself.
  apart = (z - posterior.mean) ** 2 / np.exp(posterior.log_variance)
  ratio = 0.5 * (apart + posterior.log_variance - z**2).sum(1)
  np.testing.assert_allclose(
    ratio, drawn.log_ratio[chosen, np.arange(3)], rtol=1e-4, atol=1e-4
  )
