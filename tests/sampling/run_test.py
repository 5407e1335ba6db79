"""Folders of samples: repeatable bytes, one piece alone, clear refusals."""

import dataclasses
import json
import pathlib
import shutil

import jax
import mido
import numpy as np
import pytest

from musegen_jax import config as config_lib
from musegen_jax.data import midi
from musegen_jax.data.codecs import codec as codec_lib
from musegen_jax.errors import UserError
from musegen_jax.models import language_model
from musegen_jax.sampling import audio, decode, run
from musegen_jax.sampling.strategies import Strategy
from musegen_jax.training import task

LENGTHS = {"seconds": 2.0, "min_seconds": 1.0, "note_seconds": 5.0}
HEADER = {"checkpoint": "runs/x/checkpoints/5", "step": 5}


@pytest.fixture(scope="module")
def meta(tiny_dataset: pathlib.Path) -> dict:
  config = config_lib.Config()
  config.data.data_dir = str(tiny_dataset)
  config.model = config_lib.Model(embedding_size=6, hidden_size=8)
  codec = codec_lib.load(config.data.codec)
  model = language_model.from_config(config.model, codec)
  return {
    "config": dataclasses.asdict(config),
    "params": jax.device_get(
      task.draw_params(
        model, 0, np.zeros((1, 1), np.int32), model.zero_carry(1)
      )
    ),
  }


def settings(**changes: object) -> run.Settings:
  defaults = {
    "num": 6,
    "only": (),
    "seed": 0,
    "lengths": decode.Lengths(**LENGTHS),
    "batch_size": 4,
    "primers": (),
    "strategy": Strategy(),
    "baseline": "",
  }
  return run.Settings(**(defaults | changes))


def sample(
  meta: dict,
  folder: pathlib.Path,
  chosen: run.Settings,
  *,
  overwrite: bool = False,
  png: bool = False,
  soundfont: pathlib.Path | None = None,
) -> dict[str, bytes]:
  run.sample(
    meta["params"],
    HEADER,
    meta,
    chosen,
    folder,
    overwrite=overwrite,
    png=png,
    soundfont=soundfont,
  )
  return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def test_same_seed_same_bytes_and_one_piece_alone(
  meta: dict, tmp_path: pathlib.Path
) -> None:
  first = sample(meta, tmp_path / "a", settings())
  assert list(first) == [*(f"piece-{i:05d}.mid" for i in range(6)), run.INDEX]
  assert sample(meta, tmp_path / "b", settings()) == first
  # Into the same folder again: the same samples, no refusal.
  assert sample(meta, tmp_path / "a", settings()) == first
  alone = sample(meta, tmp_path / "c", settings(only=(5,)))
  assert alone["piece-00005.mid"] == first["piece-00005.mid"]
  assert list(alone) == ["piece-00005.mid", run.INDEX]


def test_index_says_what_is_in_the_files(
  meta: dict, tmp_path: pathlib.Path
) -> None:
  sample(meta, tmp_path, settings())
  index = json.loads((tmp_path / run.INDEX).read_text())
  assert index["checkpoint"] == HEADER["checkpoint"]
  assert index["settings"]["strategy"]["temperature"] == 1.0
  for row in index["pieces"]:
    messages = list(mido.MidiFile(tmp_path / row["file"]))
    ons = [m for m in messages if m.type == "note_on" and m.velocity]
    offs = [
      m
      for m in messages
      if m.type == "note_off" or (m.type == "note_on" and not m.velocity)
    ]
    assert len(ons) == len(offs) == row["notes"] > 0
    assert row["pitches"] == len({m.note for m in ons})
    assert 0.98 <= row["seconds"] <= 2.02


def test_other_samples_are_not_overwritten(
  meta: dict, tmp_path: pathlib.Path
) -> None:
  first = sample(meta, tmp_path, settings())
  with pytest.raises(UserError, match="--overwrite"):
    sample(meta, tmp_path, settings(seed=1))
  for damaged in ("{", "[]", "\x00"):
    (tmp_path / run.INDEX).write_text(damaged)
    with pytest.raises(UserError, match="samples.json is damaged; add --over"):
      sample(meta, tmp_path, settings())
  (tmp_path / run.INDEX).unlink()
  with pytest.raises(UserError, match="unfinished"):
    sample(meta, tmp_path, settings())
  assert sample(meta, tmp_path, settings(seed=1), overwrite=True) != first


def test_primers_in_turn(
  meta: dict, tiny_dataset: pathlib.Path, tmp_path: pathlib.Path
) -> None:
  tunes = sorted((tiny_dataset.parent / "midi").glob("*.mid"))[:2]
  chosen = settings(primers=tuple(map(str, tunes)), num=4)
  sample(meta, tmp_path, chosen)
  for index in range(4):
    primer = midi.read_midi(tunes[index % 2].read_bytes()).piece.notes
    written = midi.read_midi((tmp_path / f"piece-{index:05d}.mid").read_bytes())
    begun = written.piece.notes[: len(primer)]
    np.testing.assert_array_equal(begun["pitch"], primer["pitch"])
    assert len(written.piece.notes) > len(primer)


@pytest.mark.parametrize(
  ("content", "says"),
  [
    (None, "does not exist"),
    (b"no midi", "cannot be read"),
    ("drums", "only drums"),
  ],
)
def test_bad_primers_are_named(
  meta: dict, tmp_path: pathlib.Path, content: object, says: str
) -> None:
  path = tmp_path / "primer.mid"
  if content == "drums":
    file = mido.MidiFile()
    on = mido.Message("note_on", channel=9, note=36, velocity=80)
    off = mido.Message("note_off", channel=9, note=36, time=100)
    file.tracks.append(mido.MidiTrack([on, off]))
    file.save(path)
  elif content:
    path.write_bytes(content)
  with pytest.raises(UserError, match=f"primer.mid.*{says}"):
    sample(meta, tmp_path / "out", settings(primers=(str(path),)))


def test_ngram_baseline_and_pictures(
  meta: dict, tmp_path: pathlib.Path
) -> None:
  chosen = settings(baseline="ngram", num=2, batch_size=2)
  files = sample(meta, tmp_path, chosen, png=True)
  assert files["piece-00001.png"].startswith(b"\x89PNG")


@pytest.mark.parametrize(
  ("changes", "says"),
  [
    ({"num": 0}, "--num"),
    ({"lengths": decode.Lengths(0.0, 1.0, 5.0)}, "--seconds"),
    ({"lengths": decode.Lengths(9.0, 1.0, 0.0)}, "--note_seconds"),
    *(
      ({"lengths": decode.Lengths(**(LENGTHS | {name: value}))}, f"--{name}")
      for name in LENGTHS
      for value in (float("nan"), float("inf"), -1.0, 1e12)
    ),
    ({"batch_size": 0}, "--batch_size"),
    ({"only": (6,)}, "--only=6 is not in 0..5"),
    ({"strategy": Strategy(top_p=2)}, "--top_p"),
  ],
)
def test_senseless_settings(changes: dict, says: str) -> None:
  with pytest.raises(UserError, match=says):
    settings(**changes).check()


def test_wav_says_what_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
  monkeypatch.setattr(shutil, "which", lambda name: None)
  with pytest.raises(UserError, match="apt-get install fluidsynth"):
    audio.check("")
  monkeypatch.setattr(shutil, "which", lambda name: "/bin/true")
  with pytest.raises(UserError, match="--soundfont=gone.sf2"):
    audio.check("gone.sf2")
  monkeypatch.setattr(audio, "SOUNDFONT_FOLDERS", ())
  with pytest.raises(UserError, match="soundfont"):
    audio.check("")


@pytest.mark.skipif(not shutil.which("fluidsynth"), reason="no fluidsynth")
def test_wav(meta: dict, tmp_path: pathlib.Path) -> None:
  font = audio.check("")
  files = sample(meta, tmp_path, settings(num=1, batch_size=1), soundfont=font)
  assert files["piece-00000.wav"][:4] == b"RIFF"
  assert len(files["piece-00000.wav"]) > 44100
