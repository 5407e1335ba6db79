"""Folders of a VAE's samples: every mode, repeatable bytes, clear refusals."""

import json
import pathlib

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from musegen_jax import config as config_lib
from musegen_jax.data import midi, notes
from musegen_jax.data.codecs import codec as codec_lib
from musegen_jax.errors import UserError
from musegen_jax.evaluation import decoding, latent_space
from musegen_jax.models import vae
from musegen_jax.sampling import inputs, latent, latent_run, modes, run
from musegen_jax.sampling.strategies import Strategy
from musegen_jax.training.checkpoints import Checkpoint
from tests import untrained
from tests.data.pieces import make_piece, part, scale

HEADER = {"checkpoint": "runs/x/checkpoints/5", "step": 5}
CODEC = codec_lib.load("melody")
GREEDY = Strategy(temperature=0)


@pytest.fixture(scope="module")
def loaded(
  tiny_dataset: pathlib.Path, tmp_path_factory: pytest.TempPathFactory
) -> Checkpoint:
  return untrained.checkpoint(tiny_dataset, tmp_path_factory.mktemp("run"))


@pytest.fixture(scope="module")
def tunes(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
  """Eight bars of 4/4, four of 4/4, six of 3/4."""
  folder = tmp_path_factory.mktemp("tunes")
  low = [(s, e, p - 7) for s, e, p in scale(0, 64, 4)]
  pieces = {
    "long": make_piece(part(scale(0, 128))),
    "short": make_piece(part(low)),
    "waltz": make_piece(part(scale(0, 72)), meters=[(0, 3, 4)]),
  }
  for name, piece in pieces.items():
    midi.write_midi(piece, folder / f"{name}.mid")
  return {name: str(folder / f"{name}.mid") for name in pieces}


def sample(
  loaded: Checkpoint,
  folder: pathlib.Path,
  mode: str,
  *paths: str,
  overwrite: bool = False,
  **changes: object,
) -> dict[str, bytes]:
  settings = {
    "num": len(paths) if mode in ("reconstruct", "attribute") else 5,
    "batch_size": 4,
    "strategy": Strategy() if mode == "prior" else GREEDY,
  }
  latent_run.sample(
    loaded,
    HEADER,
    modes.Settings(mode=mode, inputs=paths, **(settings | changes)),
    folder,
    overwrite=overwrite,
    png=False,
    soundfont=None,
  )
  return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def index_of(folder: pathlib.Path) -> dict:
  return json.loads((folder / run.INDEX).read_text())


def said(data: bytes) -> notes.Piece:
  return midi.read_midi(data).piece


def reconstruction(
  loaded: Checkpoint, path: str, shift: np.ndarray | float = 0.0
) -> bytes:
  """What the file should become, its z moved by [Z]."""
  config = config_lib.from_dict(loaded.meta["config"])
  model = vae.from_config(config, CODEC)
  tokens = inputs.read_windows(path, CODEC, untrained.LENGTH, None).tokens
  z = latent_space.encode(loaded.params, model, tokens).mean + shift
  pads = tokens == CODEC.pad
  windows = decoding.decode(loaded.params, model, CODEC, z, pads)
  return midi.to_bytes(latent.join(CODEC, list(windows)))


def test_prior_same_seed_same_bytes_and_one_piece_alone(
  loaded: Checkpoint, tmp_path: pathlib.Path
) -> None:
  first = sample(loaded, tmp_path / "a", "prior")
  assert list(first) == [*(f"piece-{i:05d}.mid" for i in range(5)), run.INDEX]
  # Into the same folder again: the same samples, no refusal.
  assert sample(loaded, tmp_path / "a", "prior") == first
  alone = sample(loaded, tmp_path / "b", "prior", only=(4,))
  assert list(alone) == ["piece-00004.mid", run.INDEX]
  assert alone["piece-00004.mid"] == first["piece-00004.mid"]
  with pytest.raises(UserError, match="--overwrite"):
    sample(loaded, tmp_path / "a", "prior", seed=1)
  other = sample(loaded, tmp_path / "a", "prior", seed=1, overwrite=True)
  assert other["piece-00000.mid"] != first["piece-00000.mid"]


def test_temperatures_of_z_and_of_the_output_are_apart(
  loaded: Checkpoint, tmp_path: pathlib.Path
) -> None:
  mean = sample(
    loaded, tmp_path / "a", "prior", z_temperature=0.0, strategy=GREEDY
  )
  # All z in one point, and nothing left to chance.
  assert len({v for k, v in mean.items() if k != run.INDEX}) == 1
  spread = sample(loaded, tmp_path / "b", "prior", strategy=GREEDY)
  assert len({v for k, v in spread.items() if k != run.INDEX}) > 1
  drawn = sample(loaded, tmp_path / "c", "prior", z_temperature=0.0)
  assert len({v for k, v in drawn.items() if k != run.INDEX}) > 1


def test_fitted_prior_is_another(
  loaded: Checkpoint, tmp_path: pathlib.Path
) -> None:
  plain = sample(loaded, tmp_path / "a", "prior")
  fitted = sample(loaded, tmp_path / "b", "prior", prior="fitted")
  assert plain["piece-00000.mid"] != fitted["piece-00000.mid"]
  assert latent_space.path_of(loaded.path).exists()
  assert index_of(tmp_path / "b")["settings"]["prior"] == "fitted"


def test_reconstruct_joins_all_windows(
  loaded: Checkpoint, tunes: dict[str, str], tmp_path: pathlib.Path
) -> None:
  paths = tunes["long"], tunes["waltz"]
  files = sample(loaded, tmp_path, "reconstruct", *paths)
  for number, path in enumerate(paths):
    expected = reconstruction(loaded, path)
    assert files[f"piece-{number:05d}.mid"] == expected
  index = index_of(tmp_path)
  assert index["checkpoint"] == HEADER["checkpoint"] and index["step"] == 5
  assert [each["bars"] for each in index["inputs"]] == [[0, 2, 4, 6], [0, 2, 4]]
  assert [each["track"] for each in index["inputs"]] == [0, 0]
  assert [piece["windows"] for piece in index["pieces"]] == [4, 3]
  waltz = said(files["piece-00001.mid"])
  assert waltz.meters.tolist() == [(0, 3, 4)]
  assert index["pieces"][1]["notes"] == len(waltz.notes) > 0
  assert 7 < index["pieces"][1]["seconds"] <= 9


def test_interpolation_ends_are_the_reconstructions(
  loaded: Checkpoint, tunes: dict[str, str], tmp_path: pathlib.Path
) -> None:
  paths = tunes["long"], tunes["short"]
  files = sample(loaded, tmp_path / "a", "interpolate", *paths, num=9)
  ends = sample(loaded, tmp_path / "b", "reconstruct", *paths, bar=0)
  assert files["piece-00000.mid"] == ends["piece-00000.mid"]
  assert files["piece-00008.mid"] == ends["piece-00001.mid"]
  assert files["piece-00000.mid"] != files["piece-00008.mid"]
  points = [said(files[f"piece-{number:05d}.mid"]) for number in range(9)]
  joined = said(files[latent_run.JOINED])
  assert len(joined.notes) == sum(len(point.notes) for point in points)
  last = joined.notes[-len(points[8].notes) :]["start_tick"]
  np.testing.assert_array_equal(
    last, points[8].notes["start_tick"] + 8 * 32 * 120
  )
  index = index_of(tmp_path / "a")
  assert index["joined"]["notes"] == len(joined.notes)
  assert [each["bars"] for each in index["inputs"]] == [[0], [0]]
  alone = sample(
    loaded, tmp_path / "c", "interpolate", *paths, num=9, only=(3,)
  )
  assert list(alone) == ["piece-00003.mid", run.INDEX]
  assert alone["piece-00003.mid"] == files["piece-00003.mid"]


def test_interpolation_needs_bars_of_one_length(
  loaded: Checkpoint, tunes: dict[str, str], tmp_path: pathlib.Path
) -> None:
  paths = tunes["long"], tunes["waltz"]
  with pytest.raises(UserError, match=r"bars of 16 steps.*waltz.mid of 12"):
    sample(loaded, tmp_path / "a", "interpolate", *paths)
  assert not (tmp_path / "a").exists()


def test_vary_stays_near_by_the_amount(
  loaded: Checkpoint, tunes: dict[str, str], tmp_path: pathlib.Path
) -> None:
  path = tunes["long"]
  still = sample(loaded, tmp_path / "a", "vary", path, amount=0.0, num=2)
  for number in range(2):
    assert still[f"piece-{number:05d}.mid"] == reconstruction(loaded, path)
  moved = sample(loaded, tmp_path / "b", "vary", path, amount=1.0)
  assert len(set(moved.values())) == 6
  alone = sample(loaded, tmp_path / "c", "vary", path, amount=1.0, only=(3,))
  assert alone["piece-00003.mid"] == moved["piece-00003.mid"]


def test_attribute_moves_along_its_vector(
  loaded: Checkpoint, tunes: dict[str, str], tmp_path: pathlib.Path
) -> None:
  path, name = tunes["waltz"], "mean_pitch"
  chosen = {"attribute": name, "amount": -2.0}
  files = sample(loaded, tmp_path, "attribute", path, **chosen)
  space = latent_space.load(latent_space.path_of(loaded.path))
  shift = space.move(name, -2.0)[None]
  assert files["piece-00000.mid"] == reconstruction(loaded, path, shift)
  assert files["piece-00000.mid"] != reconstruction(loaded, path)
  assert index_of(tmp_path)["settings"]["attribute"] == name


def silenced(loaded: Checkpoint) -> Checkpoint:
  """A model that says nothing but `no event`."""
  params = jax.tree.map(jnp.asarray, loaded.params)
  bias = jnp.zeros(CODEC.vocab_size).at[CODEC.offsets["no_event"]].set(1e6)
  decoder = params["decoder"] | {"head_bias": bias}
  return Checkpoint(
    params | {"decoder": decoder}, loaded.meta, loaded.step, loaded.path
  )


def test_pieces_without_a_note_are_counted_and_not_written(
  loaded: Checkpoint, tunes: dict[str, str], tmp_path: pathlib.Path
) -> None:
  silent = silenced(loaded)
  assert list(sample(silent, tmp_path / "a", "prior")) == [run.INDEX]
  index = index_of(tmp_path / "a")
  assert index["silent"] == [0, 1, 2, 3, 4] and index["pieces"] == []
  lines = run.summary(index, tmp_path)
  assert (
    lines[1] == "left out: 5 pieces without any note, numbers 0, 1, 2, 3, 4"
  )
  paths = tunes["long"], tunes["short"]
  files = sample(silent, tmp_path / "b", "interpolate", *paths)
  assert list(files) == [run.INDEX]
