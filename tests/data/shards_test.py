import pathlib
import tracemalloc
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data_prep import finalise, plans
from musegen_jax.data import minhash, shard_writer, shards
from musegen_jax.data import notes as notes_lib
from musegen_jax.errors import UserError

SETTINGS = {
  "num_shards": 2,
  "seed": 0,
  "valid_fraction": 0.1,
  "test_fraction": 0.1,
  "keep_duplicates": False,
}


def random_piece(seed: int) -> notes_lib.Piece:
  rng = np.random.default_rng(seed)
  count = int(rng.integers(1, 60))
  notes = notes_lib.make_notes(
    np.cumsum(rng.integers(0, 400, count)),
    rng.integers(1, 500, count),
    rng.integers(0, 128, count),
    velocity=rng.integers(1, 128, count),
    is_drum=rng.random(count) < 0.2,
    track=rng.integers(0, 9, count),
  )
  changes = np.arange(rng.integers(0, 3))
  tempos = np.zeros(len(changes), notes_lib.TEMPO)
  tempos["tick"], tempos["microseconds_per_beat"] = changes * 96, 400_000
  meters = np.zeros(len(changes), notes_lib.METER)
  meters["tick"], meters["numerator"], meters["denominator"] = changes, 3, 4
  return notes_lib.Piece(int(rng.integers(1, 2000)), notes, tempos, meters)


def write_shard(
  path: pathlib.Path, pieces: list[notes_lib.Piece], plan: plans.Plan
) -> None:
  with shard_writer.ShardWriter(path) as writer:
    for number, piece in enumerate(pieces):
      seconds = notes_lib.seconds(piece)
      signature = minhash.signature(piece)
      at = writer.add_piece(piece, signature, seconds, number, 0)
      row = dict.fromkeys(("genre", "composer", "title", "reason"), "")
      row |= {"path": f"{path.name}/{number}", "sha256": f"{number:064x}"}
      row |= {"notes": len(piece.notes), "seconds": seconds, "row": at}
      row |= {"outcome": "kept", "detail": "", "repairs": [], "counts": {}}
      writer.add_row(row)
    writer.commit({"plan": plan.sha256, "inputs": "", "complete": True})


def make_dataset(path: pathlib.Path, *parts: list[notes_lib.Piece]) -> None:
  plan = plans.Plan(SETTINGS | {"num_shards": len(parts)}, "")
  plans.claim(path, plan)
  for shard, pieces in enumerate(parts):
    name = shards.shard_name(shard, len(parts))
    write_shard(path / name, pieces, plan)
  finalise.finalise(path, plan)


@settings(deadline=None, max_examples=20)
@given(st.lists(st.integers(0, 10**6), min_size=1, max_size=6, unique=True))
def test_pieces_come_back(
  tmp_path_factory: pytest.TempPathFactory, seeds: list[int]
) -> None:
  path = tmp_path_factory.mktemp("data")
  pieces = [random_piece(seed) for seed in seeds]
  make_dataset(path, pieces[::2], pieces[1::2])
  dataset = shards.open_dataset(path, verify=True)
  for row in dataset.rows:
    wanted = pieces[row["shard"] :: 2][row["row"]]
    found = dataset.load(row)
    assert found.ticks_per_beat == wanted.ticks_per_beat
    for name in ("notes", "tempos", "meters"):
      want = getattr(wanted, name)
      np.testing.assert_array_equal(getattr(found, name), want)
      assert getattr(found, name).dtype == want.dtype
  assert sum(len(dataset.split(name)) for name in shards.SPLITS) == len(
    dataset.rows
  )


def test_numpy_reads_the_files(tmp_path: pathlib.Path) -> None:
  pieces = [random_piece(seed) for seed in range(3)]
  make_dataset(tmp_path, pieces)
  folder = tmp_path / shards.shard_name(0, 1)
  notes = np.load(folder / "notes.npy", allow_pickle=False)
  assert notes.dtype == notes_lib.NOTE
  assert len(notes) == sum(len(piece.notes) for piece in pieces)
  signatures = np.load(folder / "signatures.npy", allow_pickle=False)
  assert (signatures.dtype, signatures.shape) == (np.uint32, (3, 128))


def test_writing_takes_the_memory_of_a_piece(tmp_path: pathlib.Path) -> None:
  ticks = np.arange(10_000)
  piece = notes_lib.Piece(
    480, notes_lib.make_notes(ticks, ticks + 1, ticks % 9)
  )
  signature = np.zeros(128, np.uint32)
  with shard_writer.ShardWriter(tmp_path / "shard") as writer:
    tracemalloc.start()
    for _ in range(100):
      writer.add_piece(piece, signature, 1.0, 0, 0)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
  assert peak < 5 * piece.notes.nbytes


def test_nothing_is_left_without_commit(tmp_path: pathlib.Path) -> None:
  with shard_writer.ShardWriter(tmp_path / "shard") as writer:
    writer.add_row({})
  assert not list(tmp_path.iterdir())


def cut(path: pathlib.Path) -> None:
  path.write_bytes(path.read_bytes()[:-1])


def spoil_header(path: pathlib.Path) -> None:
  data = bytearray(path.read_bytes())
  data[10:20] = b"}" * 10
  path.write_bytes(data)


def make_floats(path: pathlib.Path) -> None:
  data = path.read_bytes()
  path.write_bytes(
    data.replace(b"'<i4'), ('numerator'", b"'<f4'), ('numerator'")
  )


def flip(path: pathlib.Path) -> None:
  data = bytearray(path.read_bytes())
  data[-1] ^= 1
  path.write_bytes(data)


SHARD = "shard-00000-of-00001"


@pytest.mark.parametrize(
  ("name", "damage", "message"),
  [
    ("index.json", pathlib.Path.unlink, "has no index.json: run python -m"),
    ("index.json", cut, "is damaged"),
    ("pieces.jsonl", flip, "pieces.jsonl is damaged: run"),
    (f"{SHARD}/notes.npy", cut, "notes.npy is damaged: run"),
    (f"{SHARD}/notes.npy", spoil_header, "notes.npy is damaged: run"),
    (f"{SHARD}/meters.npy", make_floats, "meters.npy is damaged: run"),
    (f"{SHARD}/meters.npy", pathlib.Path.unlink, "meters.npy is missing: run"),
  ],
)
def test_damage_is_noticed_on_opening(
  tmp_path: pathlib.Path,
  name: str,
  damage: Callable[[pathlib.Path], None],
  message: str,
) -> None:
  make_dataset(tmp_path, [random_piece(0)])
  if name == "index.json" and damage is cut:
    cut(tmp_path / name)  # the last byte is a newline
  damage(tmp_path / name)
  with pytest.raises(UserError, match=message):
    shards.open_dataset(tmp_path)


def test_a_flipped_bit_is_noticed_on_verifying(tmp_path: pathlib.Path) -> None:
  make_dataset(tmp_path, [random_piece(0)])
  flip(tmp_path / SHARD / "notes.npy")
  shards.open_dataset(tmp_path)
  with pytest.raises(UserError, match="notes.npy is damaged"):
    shards.open_dataset(tmp_path, verify=True)


def test_another_format_is_refused(tmp_path: pathlib.Path) -> None:
  make_dataset(tmp_path, [random_piece(0)])
  index = tmp_path / shards.INDEX
  text = index.read_text()
  index.write_text(
    text.replace('"format_version": 1,', '"format_version": 99,')
  )
  with pytest.raises(UserError, match="has format version 99"):
    shards.open_dataset(tmp_path)


def test_a_missing_folder_is_named(tmp_path: pathlib.Path) -> None:
  with pytest.raises(UserError, match="nowhere is no folder: run"):
    shards.open_dataset(tmp_path / "nowhere")


def test_the_fingerprint_follows_what_training_sees(
  tmp_path: pathlib.Path,
) -> None:
  prints = []
  for number, seeds in enumerate([(0, 1), (0, 1), (0, 2)]):
    path = tmp_path / str(number)
    make_dataset(path, [random_piece(seed) for seed in seeds])
    prints.append(shards.open_dataset(path).index["fingerprint"])
  assert prints[0] == prints[1] != prints[2]
