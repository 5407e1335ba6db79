"""Harmonising a MIDI file: what is taken of it, and what is written."""

import json
import pathlib

import numpy as np
import pytest

from musegen_jax.data import midi, notes
from musegen_jax.data.codecs import codec as codec_lib
from musegen_jax.errors import UserError
from musegen_jax.sampling import harmonise_run, run
from musegen_jax.training import checkpoints
from tests import untrained
from tests.data.pieces import make_piece, part

CODEC = codec_lib.load("voices")
HEADER = {"checkpoint": "runs/x/checkpoints/5", "step": 5}
TUNE = [(2, 4, 67), (4, 8, 69), (8, 9, 71), (10, 16, 72), (16, 20, 72)]


@pytest.fixture(scope="module")
def loaded(
  tiny_dataset: pathlib.Path, tmp_path_factory: pytest.TempPathFactory
) -> checkpoints.Checkpoint:
  folder = tmp_path_factory.mktemp("voices")
  return untrained.checkpoint(
    tiny_dataset, folder, codec="voices", kind="lstm", unit="piece"
  )


def write(piece: notes.Piece, folder: pathlib.Path) -> str:
  midi.write_midi(piece, folder / "melody.mid")
  return str(folder / "melody.mid")


def settings(path: str, **changes: object) -> harmonise_run.Settings:
  defaults = {"inputs": (path,), "num": 3, "batch_size": 2, "sweeps": 1}
  return harmonise_run.Settings(**(defaults | {"temperature": 1.0} | changes))


def harmonise(
  loaded: checkpoints.Checkpoint,
  folder: pathlib.Path,
  chosen: harmonise_run.Settings,
) -> dict[str, bytes]:
  harmonise_run.sample(
    loaded.params,
    HEADER,
    loaded.meta,
    chosen,
    folder,
    overwrite=False,
    png=False,
    soundfont=None,
  )
  return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def test_the_melody_is_kept_and_the_rest_repeats(
  loaded: checkpoints.Checkpoint, tmp_path: pathlib.Path
) -> None:
  tempos = [(0, 600_000)]
  path = write(make_piece(part(TUNE), tempos=tempos), tmp_path)
  first = harmonise(loaded, tmp_path / "a", settings(path))
  assert list(first) == [*(f"piece-{i:05d}.mid" for i in range(3)), run.INDEX]
  assert harmonise(loaded, tmp_path / "b", settings(path)) == first
  alone = harmonise(loaded, tmp_path / "c", settings(path, only=(2,)))
  assert list(alone) == ["piece-00002.mid", run.INDEX]
  assert alone["piece-00002.mid"] == first["piece-00002.mid"]
  assert first["piece-00000.mid"] != first["piece-00001.mid"]
  index = json.loads(first[run.INDEX])
  assert index["soprano"]["taken"] == "track 0 (program 0)"
  for row in index["pieces"]:
    piece = midi.read_midi(first[row["file"]]).piece
    assert piece.tempos["microseconds_per_beat"].tolist() == [600_000]
    assert row["tokens"] == 4 * 20 and row["notes"] == len(piece.notes)
    assert 0 < row["nats"] and 0 < row["nats_left_to_right"]
    # The melody begins in the first beat: nothing was in front of it.
    table = piece.notes
    own = set(zip(*(table[n] for n in table.dtype.names[:3]), strict=True))
    tune = {(at * 120, (end - at) * 120, pitch) for at, end, pitch in TUNE}
    assert tune <= {tuple(map(int, each)) for each in own}


def test_nats_are_those_of_the_written_piece(
  loaded: checkpoints.Checkpoint, tmp_path: pathlib.Path
) -> None:
  path = write(make_piece(part(TUNE)), tmp_path)
  files = harmonise(loaded, tmp_path / "a", settings(path, sweeps=0))
  for row in json.loads(files[run.INDEX])["pieces"]:
    assert row["nats"] == row["nats_left_to_right"]


def test_what_is_taken_of_a_file(tmp_path: pathlib.Path) -> None:
  chords = part([(0, 8, 90), (0, 8, 95)])
  tune, bass = part(TUNE, track=1), part([(0, 20, 40)], track=2)
  path = write(make_piece(chords, tune, bass), tmp_path)
  found = harmonise_run.read_soprano(path, CODEC)
  plain = CODEC.offsets["pitch"] - 28
  heard = found.tokens[found.tokens >= CODEC.offsets["pitch"]] - plain
  assert heard.tolist() == [67, 69, 71, 72, 72]
  assert found.taken.startswith("track ") and found.octaves == 0
  # From the beat of its own first note on, whatever sounds before it.
  assert len(found.tokens) == 20
  path = write(make_piece(chords), tmp_path)
  found = harmonise_run.read_soprano(path, CODEC)
  assert found.taken == "top line of track 0 (program 0)"


@pytest.mark.parametrize(("shift", "octaves"), [(-24, 2), (-12, 1), (24, -2)])
def test_another_octave_is_heard_in_the_sopranos(
  tmp_path: pathlib.Path, shift: int, octaves: int
) -> None:
  rows = [(at, end, pitch + shift) for at, end, pitch in TUNE]
  path = write(make_piece(part(rows)), tmp_path)
  found = harmonise_run.read_soprano(path, CODEC)
  same = harmonise_run.read_soprano(
    write(make_piece(part(TUNE)), tmp_path), CODEC
  )
  assert (found.octaves, same.octaves) == (octaves, 0)
  np.testing.assert_array_equal(found.tokens, same.tokens)
  tokens = np.full((20, 4), CODEC.offsets["rest"])
  tokens[:, 0] = found.tokens
  written = harmonise_run.to_piece(tokens.ravel(), found).notes
  assert written["pitch"].tolist() == [pitch for _, _, pitch in rows]


def test_files_without_a_melody_are_one_line(tmp_path: pathlib.Path) -> None:
  drums = part([(0, 4, 36)])
  drums["is_drum"] = True
  wide = part([(0, 4, 21), (4, 8, 108)])
  for piece, says in (
    (make_piece(drums), "no pitched notes in 21..108"),
    (make_piece(wide), r"has pitches \d+..\d+, beyond 28..96"),
  ):
    path = write(piece, tmp_path)
    with pytest.raises(
      UserError, match=f"--input={path} has no melody.*{says}"
    ):
      harmonise_run.read_soprano(path, CODEC)
  with pytest.raises(UserError, match="--input=gone.mid does not exist"):
    harmonise_run.read_soprano("gone.mid", CODEC)


def test_another_codec_is_named(
  tiny_dataset: pathlib.Path, tmp_path: pathlib.Path
) -> None:
  other = untrained.checkpoint(
    tiny_dataset, tmp_path, codec="melody", kind="lstm", unit="piece"
  )
  path = write(make_piece(part(TUNE)), tmp_path)
  with pytest.raises(UserError, match="codec 'voices', .* is of 'melody'"):
    harmonise(other, tmp_path / "out", settings(path))
  assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
  ("changes", "says"),
  [
    ({"inputs": ()}, "exactly one --input=.*, not 0"),
    ({"inputs": ("a", "b")}, "exactly one --input=.*, not 2"),
    ({"num": 0}, "--num must be above 0"),
    ({"batch_size": 0}, "--batch_size must be above 0"),
    ({"only": (3,)}, "--only=3 is not in 0..2"),
    ({"sweeps": -1}, "--sweeps -1"),
    ({"temperature": 0.0}, "--temperature 0.0 .* at least 0.01"),
    ({"temperature": float("nan")}, "--temperature nan"),
  ],
)
def test_senseless_settings(changes: dict, says: str) -> None:
  with pytest.raises(UserError, match=says):
    settings("a.mid", **changes).check()
