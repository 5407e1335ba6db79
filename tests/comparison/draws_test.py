"""Where samples lie, and MIDI that was made elsewhere."""

import pathlib

import numpy as np
import pytest

from musegen_jax.comparison import draws, entries
from musegen_jax.comparison.hearing import Hearing
from musegen_jax.comparison.systems import Named
from musegen_jax.data import shards
from musegen_jax.data.codecs import codec as codec_lib
from musegen_jax.errors import UserError
from tests.comparison import tunes

HEARING = Hearing(codec_lib.load("melody"), 64, 8.0)


def test_folder_names_are_safe_and_unlike() -> None:
  names = ["lstm-2", "a b", "a_b", "a/b", "../../up", "", "x" * 300, "x" * 301]
  found = [draws.folder_name(name) for name in names]
  assert len(set(found)) == len(names)
  assert found[0] == "lstm-2"
  assert all(len(name) < 60 and "/" not in name for name in found)
  assert not any(name.startswith(".") for name in found)


def test_a_folder_is_heard_as_everything_else(tmp_path: pathlib.Path) -> None:
  tunes.write(tmp_path / "midi" / "deep", 10)
  (tmp_path / "midi" / "notes.txt").write_text("no music")
  (tmp_path / "midi" / "bad.mid").write_bytes(b"MThd")
  (tmp_path / "midi" / "dangling.mid").symlink_to(tmp_path / "gone")
  found = draws.hear_folder(Named("x", tmp_path / "midi"), HEARING, 9)
  assert sum(found.reasons.values()) == 2
  entry = entries.of_folder(
    Named("x", tmp_path / "midi"), found, HEARING, tmp_path / "out"
  )
  [drawn] = entry.drawn
  assert len(drawn.excerpts) == len(drawn.files) == 9
  for number, excerpt in enumerate(drawn.excerpts):
    own = tunes.tune(number).notes["pitch"]
    np.testing.assert_array_equal(excerpt.piece.notes["pitch"], own)
    assert drawn.files[number].name == f"piece-{number:05d}.mid"


@pytest.mark.parametrize("files", [0, 3])
def test_too_few_files_are_refused(tmp_path: pathlib.Path, files: int) -> None:
  tunes.write(tmp_path / "midi", files)
  with pytest.raises(UserError, match=f"x:.* has {files} usable .* 8 are"):
    draws.hear_folder(Named("x", tmp_path / "midi"), HEARING, 9)


def test_samples_of_another_run_are_not_mixed_in(
  tmp_path: pathlib.Path,
) -> None:
  folder = tmp_path / "out"
  draws.through_files([tunes.tune(n) for n in range(4)], HEARING, folder)
  drawn = draws.through_files([tunes.tune(0)], HEARING, folder)
  assert [path.name for path in folder.iterdir()] == ["piece-00000.mid"]
  assert len(drawn.excerpts) == 1


def test_held_out_excerpts_are_of_different_pieces(
  tunes_data: pathlib.Path,
) -> None:
  dataset = shards.open_dataset(tunes_data)
  found = entries.held_out(dataset, HEARING, 1000)
  assert len(found.reference) == len(found.real) >= draws.LEAST
  sources = [excerpt.source for excerpt in found.both]
  assert len(set(sources)) == len(sources)
  again = entries.held_out(dataset, HEARING, 1000)
  for one, other in zip(found.both, again.both, strict=True):
    np.testing.assert_array_equal(one.tokens, other.tokens)


def test_a_small_test_split_is_refused(tiny_dataset: pathlib.Path) -> None:
  dataset = shards.open_dataset(tiny_dataset)
  with pytest.raises(UserError, match="16 are needed"):
    entries.held_out(dataset, HEARING, 8)
