"""A cached split is the encoded one, bit for bit, or is encoded again."""

import concurrent.futures
import dataclasses
import functools
import os
import pathlib
import shutil
import threading
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from data_prep import build_shards
from musegen_jax.data import corpus, shards, token_cache, windows
from musegen_jax.data.codecs import melody, performance

Encoded = corpus.Corpus | windows.Windows


def of_windows(dataset: shards.Dataset) -> windows.Windows:
  return windows.encode_split(dataset, "train", melody.CODEC, 32, limit=3)


def of_corpus(dataset: shards.Dataset) -> corpus.Corpus:
  return corpus.encode_split(dataset, "train", performance.CODEC, stretch=0.9)


KINDS = [of_windows, of_corpus]


@pytest.fixture
def dataset(
  tiny_dataset: pathlib.Path, tmp_path: pathlib.Path
) -> shards.Dataset:
  """A copy without a cache."""
  no_cache = shutil.ignore_patterns(token_cache.FOLDER)
  copy = shutil.copytree(tiny_dataset, tmp_path / "data", ignore=no_cache)
  return shards.open_dataset(copy)


def entries(dataset: shards.Dataset) -> list[pathlib.Path]:
  return sorted((dataset.path / token_cache.FOLDER).iterdir())


def assert_same(one: Encoded, other: Encoded) -> None:
  for field in dataclasses.fields(one):
    a, b = getattr(one, field.name), getattr(other, field.name)
    if isinstance(a, np.ndarray):
      assert type(a) is type(b) is np.ndarray
      assert (a.dtype, a.shape) == (b.dtype, b.shape)
      assert not a.flags.writeable and not b.flags.writeable
      assert a.tobytes() == b.tobytes(), field.name
    else:
      assert a == b
  assert list(one.skipped.items()) == list(other.skipped.items())


def is_mapped(found: Encoded) -> bool:
  return isinstance(found.tokens.base, np.memmap)


@pytest.mark.parametrize("encode", KINDS)
def test_a_hit_is_the_miss_bit_for_bit(
  encode: Callable, dataset: shards.Dataset
) -> None:
  miss, hit = encode(dataset), encode(dataset)
  assert is_mapped(hit) and not is_mapped(miss)
  assert_same(miss, hit)
  own = {id(row) for row in dataset.rows}
  assert {id(row) for row in hit.rows} <= own  # not copies of them


def test_pieces_left_out_stay_left_out(dataset: shards.Dataset) -> None:
  chosen = dataset.split("train")
  # The first and the fourth become drums, which these codecs do not hear.
  for row in (chosen[0], chosen[3]):
    shard = dataset.path / dataset.index["shards"][row["shard"]]
    ends = dataset.shards[row["shard"]]["table"]["notes_end"]
    first = ends[row["row"] - 1] if row["row"] else 0
    notes = np.load(shard / "notes.npy", "r+")
    notes["is_drum"][first : ends[row["row"]]] = True
    notes.flush()
  changed = shards.open_dataset(dataset.path)
  kept = [row for i, row in enumerate(chosen) if i not in (0, 3)]
  for encode in KINDS:
    miss, hit = encode(changed), encode(changed)
    assert is_mapped(hit)
    assert_same(miss, hit)
    assert hit.rows == kept and sum(hit.skipped.values()) >= 2


def test_a_build_that_goes_on_leaves_it_alone(
  dataset: shards.Dataset, tiny_dataset: pathlib.Path
) -> None:
  made = [encode(dataset) for encode in KINDS]
  before = entries(dataset)
  build_shards.build(
    build_shards.Options(
      midi_dir=str(tiny_dataset.parent / "midi"),
      output_dir=str(dataset.path),
      workers=1,
      num_shards=2,
      valid_fraction=0.2,
      test_fraction=0.2,
    )
  )
  again = shards.open_dataset(dataset.path, verify=True)
  assert again.index == dataset.index and entries(again) == before
  for encode, expected in zip(KINDS, made, strict=True):
    found = encode(again)
    assert is_mapped(found)
    assert_same(expected, found)


def test_shuffled_tokens_come_from_the_plain_entry(
  dataset: shards.Dataset,
) -> None:
  plain = of_corpus(dataset)
  for _ in range(2):
    mixed = corpus.encode_split(
      dataset, "train", performance.CODEC, stretch=0.9, shuffle_seed=7
    )
    for i in range(len(plain)):
      inner = np.random.default_rng((7, i)).permutation(plain.piece(i)[1:-1])
      expected = performance.CODEC.framed(inner)
      np.testing.assert_array_equal(mixed.piece(i), expected)
  assert len(entries(dataset)) == 1
  assert_same(plain, of_corpus(dataset))


def test_all_that_decides_the_tokens_is_in_the_key(
  dataset: shards.Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
  one = melody.CODEC
  for split, codec, length, limit in [
    ("train", one, 32, 3),
    ("valid", one, 32, 3),
    ("train", performance.CODEC, 32, 3),
    ("train", one, 16, 3),
    ("train", one, 32, 2),
  ]:
    assert not is_mapped(
      windows.encode_split(dataset, split, codec, length, limit)
    )
  for stretch in (1.0, 0.9):
    assert not is_mapped(
      corpus.encode_split(dataset, "train", performance.CODEC, stretch=stretch)
    )
  assert len(entries(dataset)) == 7
  monkeypatch.setattr(token_cache, "code_hash", lambda: "edited")
  assert not is_mapped(of_windows(dataset)) and is_mapped(of_windows(dataset))
  assert len(entries(dataset)) == 8


def test_the_code_hash_is_of_every_source(
  tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
  folder = pathlib.Path(token_cache.__file__).parent
  shutil.copytree(folder, tmp_path / "data")
  copy = tmp_path / "data" / "token_cache.py"
  monkeypatch.setattr(token_cache, "__file__", str(copy))
  code_hash = token_cache.code_hash.__wrapped__
  found = {code_hash()}
  assert found == {token_cache.code_hash()}
  for name in ("codecs/melody.py", "bars.py", "windows.py", "corpus.py"):
    path = copy.parent / name
    path.write_text(path.read_text() + "\n")
    found.add(code_hash())
  assert len(found) == 5


def test_other_data_takes_the_place_of_the_old(
  dataset: shards.Dataset,
) -> None:
  of_windows(dataset), of_corpus(dataset)
  changed = dataset.index | {"fingerprint": "0" * 64}
  other = dataclasses.replace(dataset, index=changed)
  assert not is_mapped(of_windows(other)) and is_mapped(of_windows(other))
  assert len(entries(dataset)) == 1


def test_entries_opened_last_stay(
  dataset: shards.Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
  monkeypatch.setattr(token_cache, "MOST_ENTRIES", 2)

  def cut(limit: int) -> windows.Windows:
    return windows.encode_split(dataset, "train", melody.CODEC, 32, limit)

  cut(1), cut(2)
  dead, fresh = (entries(dataset)[0].with_name(f"tmp-{i}") for i in range(2))
  dead.mkdir(), fresh.mkdir()
  long_ago = time.time() - 9999
  for path in set(entries(dataset)) - {fresh}:
    os.utime(path, (long_ago, long_ago))
  assert is_mapped(cut(1))  # and so 2 was opened before 1
  cut(3)
  assert not dead.exists() and fresh.exists()
  assert len(entries(dataset)) == 2 + 1
  assert is_mapped(cut(1)) and is_mapped(cut(3)) and not is_mapped(cut(2))


def in_file(name: str, change: Callable[[bytes], bytes]) -> Callable:
  def damage(folder: pathlib.Path) -> None:
    path = folder / name
    path.write_bytes(change(path.read_bytes()))

  return damage


def in_array(name: str, change: Callable[[np.ndarray], np.ndarray]) -> Callable:
  return lambda folder: np.save(folder / name, change(np.load(folder / name)))


DAMAGE = {
  "cut off": in_file("tokens.npy", lambda data: data[:-2]),
  "header": in_file("tokens.npy", lambda data: data.replace(b"'", b"\xff")),
  "dtype": in_array("tokens.npy", lambda array: array.astype(np.int32)),
  "shape": in_array("tokens.npy", lambda array: array[:-1]),
  "beyond the split": in_array("numbers.npy", lambda array: array + 1),
  "not ascending": in_array("numbers.npy", lambda array: array[::-1]),
  "no array": lambda folder: (folder / "numbers.npy").unlink(),
  "other key": in_file("index.json", lambda data: data.replace(b"train", b"x")),
  "half an index": in_file("index.json", lambda data: data[:50]),
  "another json": in_file("index.json", lambda _: b"[]"),
  "no index": lambda folder: (folder / "index.json").unlink(),
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_damaged_entry_is_made_again(
  damage: str, dataset: shards.Dataset
) -> None:
  made = of_windows(dataset)
  DAMAGE[damage](entries(dataset)[0])
  again = of_windows(dataset)
  assert not is_mapped(again)
  assert_same(made, again)
  assert is_mapped(of_windows(dataset)) and len(entries(dataset)) == 1


@pytest.mark.parametrize("failing", ["mkdir", "fsync", "rename"])
def test_a_folder_that_cannot_be_written_is_no_error(
  failing: str,
  dataset: shards.Dataset,
  monkeypatch: pytest.MonkeyPatch,
  capsys: pytest.CaptureFixture,
) -> None:
  made = of_windows(dataset)
  shutil.rmtree(dataset.path / token_cache.FOLDER)

  def full(*_: object) -> None:
    raise OSError(28, f"No space for {failing}")

  monkeypatch.setattr(os, failing, full)
  for _ in range(2):
    assert_same(made, of_windows(dataset))
  said = capsys.readouterr().err.splitlines()
  assert len(said) == 1 and f"(No space for {failing})" in said[0]
  folder = dataset.path / token_cache.FOLDER
  assert not folder.exists() or not entries(dataset)


def test_two_writers_both_end_well(dataset: shards.Dataset) -> None:
  start = threading.Barrier(2)

  def work(_: int) -> windows.Windows:
    opened = shards.open_dataset(dataset.path)
    start.wait()
    return of_windows(opened)

  with concurrent.futures.ThreadPoolExecutor(2) as pool:
    both = list(pool.map(work, range(2)))
  hit = of_windows(dataset)
  assert is_mapped(hit) and len(entries(dataset)) == 1
  for found in both:
    assert_same(hit, found)


def test_the_second_writer_leaves_the_first_entry(
  dataset: shards.Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
  cut, first = windows._cut_split, []

  @functools.wraps(cut)
  def overtaken(*arguments: Any, **settings: int) -> token_cache.Encoded:
    if not first:
      first.append(None)
      first[0] = (of_windows(dataset), entries(dataset)[0].stat().st_ino)
    return cut(*arguments, **settings)

  monkeypatch.setattr(windows, "_cut_split", overtaken)
  late = of_windows(dataset)
  assert_same(first[0][0], late)
  assert [path.stat().st_ino for path in entries(dataset)] == [first[0][1]]
