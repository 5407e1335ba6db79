"""Windows from latent vectors, and pieces from windows."""

import pathlib
from dataclasses import astuple

import numpy as np
import pytest

from musegen_jax import config as config_lib
from musegen_jax.data.codecs import codec as codec_lib
from musegen_jax.evaluation import decoding
from musegen_jax.models import vae
from musegen_jax.sampling import latent
from musegen_jax.sampling.strategies import Strategy
from tests import untrained

MELODY = codec_lib.load("melody")


@pytest.fixture(scope="module", params=["melody", "drums", "performance"])
def network(
  request: pytest.FixtureRequest, tiny_dataset: pathlib.Path
) -> tuple[dict, vae.VAE, codec_lib.Codec]:
  loaded = untrained.checkpoint(tiny_dataset, pathlib.Path(), request.param)
  config = config_lib.from_dict(loaded.meta["config"])
  codec = codec_lib.load(request.param)
  return loaded.params, vae.from_config(config, codec), codec


def rows(count: int) -> latent.Rows:
  pieces = np.arange(count) // 2
  parts = np.arange(count) % 2
  z = latent.noise(3, pieces, parts, 3)
  return latent.Rows(z, latent.free(count, untrained.LENGTH), pieces, parts)


def test_a_window_comes_out_the_same_whoever_asks(network: tuple) -> None:
  chosen = {"strategy": Strategy(), "seed": 1, "batch_size": 4}
  every = dict(
    latent.decode(*network, rows(10), wanted=np.ones(10, bool), **chosen)
  )
  assert list(every) == list(range(10))
  two = dict(
    latent.decode(
      *network, rows(10), wanted=np.isin(np.arange(10), (5, 9)), **chosen
    )
  )
  assert list(two) == [5, 9]
  np.testing.assert_array_equal(two[9], every[9])
  more = dict(
    latent.decode(*network, rows(20), wanted=np.ones(20, bool), **chosen)
  )
  np.testing.assert_array_equal(more[9], every[9])
  assert not np.array_equal(every[4], every[5])


def test_windows_of_one_z_are_drawn_apart(network: tuple) -> None:
  some = rows(4)
  same = latent.Rows(some.z[:1].repeat(4, 0), *astuple(some)[1:])
  drawn = latent.decode(
    *network,
    same,
    wanted=np.ones(4, bool),
    strategy=Strategy(),
    seed=0,
    batch_size=4,
  )
  assert len({tokens.tobytes() for _, tokens in drawn}) == 4


def test_greedy_windows_are_those_that_are_measured(network: tuple) -> None:
  some = rows(3)
  greedy = latent.decode(
    *network,
    some,
    wanted=np.ones(3, bool),
    strategy=Strategy(temperature=0),
    seed=0,
    batch_size=4,
  )
  pads = np.zeros((3, untrained.LENGTH), bool)
  np.testing.assert_array_equal(
    np.stack([tokens for _, tokens in greedy]),
    decoding.decode(*network, some.z, pads),
  )


def test_no_end_and_no_pad_but_where_the_bars_end(network: tuple) -> None:
  _, _, codec = network
  window = np.zeros((1, untrained.LENGTH), np.int16)
  window[:, [12, 13, 14, 15, 28, 29, 30, 31]] = codec.pad
  forced = latent.same_bars(window, codec)
  some = latent.Rows(rows(1).z, forced, np.array([0]), np.array([0]))
  [(_, tokens)] = latent.decode(
    *network,
    some,
    wanted=np.array([True]),
    strategy=Strategy(100.0),
    seed=0,
    batch_size=1,
  )
  assert (tokens != codec.end).all() and (tokens != codec.begin).all()
  np.testing.assert_array_equal(tokens == codec.pad, window[0] == codec.pad)


def test_previews_differ_by_step_and_are_repeatable(network: tuple) -> None:
  first, again, other = (
    latent.preview(*network, untrained.LENGTH, 0, step) for step in (5, 5, 6)
  )
  np.testing.assert_array_equal(first.notes, again.notes)
  assert first.notes.tobytes() != other.notes.tobytes()


def melody(events: dict[int, int], steps: int = 16) -> np.ndarray:
  """A window of two bars with pitches (or -1: off) at slots."""
  tokens = np.zeros((2, 16), np.int16)
  tokens[:, steps:] = MELODY.pad
  for slot, pitch in events.items():
    token = MELODY.offsets["pitch"] + pitch - 21
    tokens.flat[slot] = MELODY.offsets["note_off"] if pitch < 0 else token
  return tokens.ravel()


def test_joined_windows_stand_one_after_another() -> None:
  # The first window's last note must not ring through the second's rest.
  piece = latent.join(MELODY, [melody({0: 60, 24: 62}), melody({8: 64})])
  said = [(n["start_tick"], n["duration_ticks"]) for n in piece.notes]
  assert said == [(0, 24 * 120), (24 * 120, 8 * 120), (40 * 120, 24 * 120)]
  assert piece.meters.tolist() == [(0, 4, 4)]


@pytest.mark.parametrize(
  ("steps", "meter"), [(12, (3, 4)), (16, (4, 4)), (14, (7, 8)), (5, (5, 16))]
)
def test_bars_have_a_meter_of_their_length(steps: int, meter: tuple) -> None:
  windows = [melody({0: 60}), melody({0: 60}, steps), melody({0: 61}, steps)]
  piece = latent.join(MELODY, windows)
  start = 32 * 120
  changes = [(start, *meter)] if meter != (4, 4) else []
  assert piece.meters.tolist() == [(0, 4, 4), *changes]
  assert piece.notes["start_tick"][2] == start + 2 * steps * 120


def test_drums_and_performances_join() -> None:
  drums = codec_lib.load("drums")
  word = np.zeros(32, np.int16)
  word[[0, 31]] = 1
  piece = latent.join(drums, [word, word])
  assert (piece.notes["start_tick"] // 120).tolist() == [0, 31, 32, 63]
  codec = codec_lib.load("performance")
  shift = codec.offsets["time_shift"] + 49  # half a second
  on = codec.offsets["note_on"] + 60
  piece = latent.join(codec, [np.array([on, shift]), np.array([on, shift])])
  assert piece.notes["start_tick"].tolist() == [0, 500]
  assert piece.notes["duration_ticks"].tolist() == [500, 500]
  assert not len(piece.meters)
