"""Frames drawn: exact primers and lengths, addressed randomness, the model's
own probabilities, and folders of samples."""

import dataclasses
import json
import pathlib

import jax
import numpy as np
import pytest

from musegen_jax.data import frames as rolls
from musegen_jax.data import midi
from musegen_jax.data.codecs import codec as codec_lib
from musegen_jax.models import frame_heads
from musegen_jax.sampling import decode, frame_decode, run
from musegen_jax.sampling.strategies import Strategy
from musegen_jax.training import checkpoints
from tests import untrained
from tests.models import toy_frames
from tests.models.toy_frames import KEYS, LOW

MODEL = toy_frames.make("autoregressive", articulation=True)
CODEC = codec_lib.load("frames")
HISTORY = toy_frames.music(4, seed=2)
PRIMERS = [HISTORY, toy_frames.music(7, seed=1), HISTORY[:0]]
DRAWS = 4000


def sample(**changes: object) -> list[np.ndarray]:
  defaults = {
    "indices": np.arange(3),
    "primers": PRIMERS,
    "length": 9,
    "temperature": 1.0,
    "seed": 0,
  }
  return frame_decode.sample(
    toy_frames.params_of(MODEL), MODEL, **(defaults | changes)
  )


def test_primers_are_kept_and_lengths_exact() -> None:
  found = sample()
  for roll, primer in zip(found, PRIMERS, strict=True):
    assert roll.dtype == np.uint8 and roll.shape == (len(primer) + 9, 88)
    np.testing.assert_array_equal(roll[: len(primer)], primer)
    assert roll[len(primer) :].any()
    before = np.concatenate([np.zeros((1, 88), np.uint8), roll[:-1]])
    held = roll == rolls.HELD
    assert held.any() and (before[held] > 0).all()


def test_a_piece_depends_on_its_address_alone() -> None:
  first = sample()
  jax.tree.map(np.testing.assert_array_equal, sample(), first)
  # The others of its batch, their primers and their order are all the same.
  swapped = sample(
    indices=np.array([7, 2, 0]), primers=[HISTORY, HISTORY[:0], HISTORY]
  )
  np.testing.assert_array_equal(swapped[1], first[2])
  np.testing.assert_array_equal(swapped[2], first[0])
  assert (swapped[0] != first[0]).any()
  assert (sample(seed=1)[0] != first[0]).any()
  # What is longer begins alike.
  np.testing.assert_array_equal(sample(length=5)[1], first[1][:12])


@pytest.mark.parametrize("head", frame_heads.HEADS)
def test_the_next_frame_is_drawn_as_it_is_scored(head: str) -> None:
  model = toy_frames.make(head, articulation=True)
  drawn = frame_decode.sample(
    toy_frames.params_of(model),
    model,
    indices=np.arange(DRAWS),
    primers=[HISTORY] * DRAWS,
    length=1,
    temperature=1.0,
    seed=0,
  )
  last = np.stack(drawn)[:, -1]
  # Keys outside the range sound once in a million.
  assert last.any(0).sum() <= KEYS + 2
  frames = toy_frames.every_frame(HISTORY[-1], articulation=True)
  expected = toy_frames.probabilities_after(model, HISTORY, frames)
  inside = slice(LOW, LOW + KEYS)
  counts = (last[:, None, inside] == frames[None, :, inside]).all(2).sum(0)
  assert counts.sum() == DRAWS
  assert toy_frames.fit(counts, expected) > 1e-3


def test_without_articulation_what_sounds_on_is_held() -> None:
  model = dataclasses.replace(MODEL, articulation=False)
  [roll] = frame_decode.sample(
    toy_frames.params_of(model),
    model,
    indices=np.array([0]),
    primers=[HISTORY],
    length=30,
    temperature=1.0,
    seed=0,
  )
  sounds = roll[4:] > 0
  before = roll[3:-1] > 0
  np.testing.assert_array_equal((roll == rolls.HELD)[4:], sounds & before)


def test_temperature_zero_leaves_nothing_to_chance() -> None:
  same = {"indices": np.array([0, 5, 9]), "primers": [HISTORY] * 3}
  found = sample(temperature=0.0, **same)
  np.testing.assert_array_equal(found[0], found[1])
  np.testing.assert_array_equal(found[0], found[2])
  assert (sample(**same)[0] != found[0]).any()


def test_tokens_in_and_out() -> None:
  tokens = [rolls.to_tokens(primer, CODEC) for primer in PRIMERS]
  found = frame_decode.sample_tokens(
    toy_frames.params_of(MODEL),
    MODEL,
    CODEC,
    indices=np.arange(3),
    primers=tokens,
    lengths=decode.Lengths(9 * CODEC.seconds_per_step, 5.0, 0.1),
    strategy=Strategy(),
    seed=0,
  )
  for own, expected in zip(found, sample(), strict=True):
    np.testing.assert_array_equal(rolls.from_tokens(own, CODEC), expected)


@pytest.fixture(scope="module")
def loaded(
  tiny_dataset: pathlib.Path, tmp_path_factory: pytest.TempPathFactory
) -> checkpoints.Checkpoint:
  folder = tmp_path_factory.mktemp("frames")
  return untrained.checkpoint(tiny_dataset, folder, "frames", "frames", "piece")


def write(
  loaded: checkpoints.Checkpoint, folder: pathlib.Path, **changes: object
) -> dict:
  """What samples.json holds of three pieces, two at a time."""
  defaults = {
    "num": 3,
    "only": (),
    "seed": 0,
    "lengths": decode.Lengths(3.0, 5.0, 5.0),
    "batch_size": 2,
    "primers": (),
    "strategy": Strategy(),
    "baseline": "",
  }
  run.sample(
    loaded.params,
    {"step": loaded.step},
    loaded.meta,
    run.Settings(**(defaults | changes)),
    folder,
    overwrite=False,
    png=False,
    soundfont=None,
  )
  return json.loads((folder / run.INDEX).read_text())


def test_a_folder_of_samples(
  loaded: checkpoints.Checkpoint,
  tiny_dataset: pathlib.Path,
  tmp_path: pathlib.Path,
) -> None:
  tune = tiny_dataset.parent / "midi" / "tune00.mid"
  primer = midi.read_midi(tune.read_bytes()).piece
  index = write(loaded, tmp_path / "a", primers=(str(tune),))
  steps = len(rolls.from_tokens(CODEC.encode(primer), CODEC)) + 12
  assert len(index["pieces"]) == 3 and not index["silent"]
  for row in index["pieces"]:
    written = midi.read_midi((tmp_path / "a" / row["file"]).read_bytes()).piece
    assert 0 < row["notes"] - len(primer.notes)
    assert row["seconds"] <= steps * CODEC.seconds_per_step
    np.testing.assert_array_equal(
      written.notes["pitch"][:10], primer.notes["pitch"][:10]
    )
  write(loaded, tmp_path / "b", primers=(str(tune),), only=(2,))
  for name in ("a", "b"):
    path = tmp_path / name / "piece-00002.mid"
    assert path.read_bytes() == (tmp_path / "a" / path.name).read_bytes()


def test_silent_pieces_are_named(
  loaded: checkpoints.Checkpoint, tmp_path: pathlib.Path
) -> None:
  silent = dict(loaded.params)
  silent["logit"] = np.full_like(silent["logit"], -1e6)
  index = write(dataclasses.replace(loaded, params=silent), tmp_path)
  assert index["silent"] == [0, 1, 2] and not index["pieces"]
  said = run.summary(index, tmp_path)
  assert "without any note, numbers 0, 1, 2" in said[1]


def test_the_ngram_of_its_data(
  loaded: checkpoints.Checkpoint, tmp_path: pathlib.Path
) -> None:
  index = write(loaded, tmp_path, baseline="ngram")
  assert [row["pitches"] > 3 for row in index["pieces"]] == [True] * 3
