"""Builds that are killed, and files and flags that are wrong."""

import os
import pathlib
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

import pytest

from data_prep import build_shards, plans, shard_worker
from musegen_jax.data import midi, shards
from musegen_jax.errors import UserError
from tests.data_prep.building import build, contents, outcomes, splits_of, tune

ROOT = pathlib.Path(__file__).resolve().parents[2]


# Kills the process when the function has been called that often.
KILLED = """
import os, signal, sys
from data_prep import build_shards
from musegen_jax import atomic
from musegen_jax.data import shard_writer
owner, name, left = {where}
function = getattr(owner, name)
def counted(*args, **kwargs):
  global left
  left -= 1
  if not left:
    os.kill(os.getpid(), signal.SIGKILL)
  return function(*args, **kwargs)
setattr(owner, name, counted)
build_shards.build(build_shards.Options(*sys.argv[1:], num_shards=4))
"""


@pytest.mark.parametrize(
  "where",
  [
    "shard_writer.ShardWriter, 'add_piece', 7",
    "shard_writer.ShardWriter, 'commit', 3",
    "os, 'rename', 2",
    "shard_writer, 'replacing', 2",
    "atomic, 'write', 6",
  ],
)
def test_a_killed_build_goes_on(
  folder: pathlib.Path, tmp_path: pathlib.Path, where: str
) -> None:
  output = tmp_path / "killed"
  program = [sys.executable, "-c", KILLED.format(where=where)]
  killed = subprocess.run([*program, folder, output], cwd=ROOT)
  assert killed.returncode == -signal.SIGKILL
  assert not (output / shards.INDEX).exists()
  with pytest.raises(UserError, match="has no index.json"):
    shards.open_dataset(output)
  build(folder, output)
  build(folder, tmp_path / "clean")
  assert contents(output) == contents(tmp_path / "clean")


def loop(folder: pathlib.Path) -> str:
  (folder / "deep" / "up").symlink_to(folder)
  return ""


def pipe(folder: pathlib.Path) -> str:
  os.mkfifo(folder / "pipe.mid")
  return "unreadable_file"


def broken_link(folder: pathlib.Path) -> str:
  (folder / "gone.mid").symlink_to(folder / "nowhere")
  return "unreadable_file"


def hidden(folder: pathlib.Path) -> str:
  (folder / ".trash").mkdir()
  (folder / ".trash" / "old.mid").write_bytes(tune(50))
  return ""


def strange_name(folder: pathlib.Path) -> str:
  (folder / os.fsdecode(b'caf\xe9,"\n.mid')).write_bytes(b"?")
  return "not_midi"


def huge(folder: pathlib.Path) -> str:
  with open(folder / "huge.mid", "wb") as file:
    file.write(b"MThd")
    file.truncate(1 << 33)
  return "too_large"


@pytest.mark.parametrize(
  "make", [loop, pipe, broken_link, hidden, strange_name, huge]
)
def test_odd_folders(
  folder: pathlib.Path,
  tmp_path: pathlib.Path,
  make: Callable[[pathlib.Path], str],
) -> None:
  reason = make(folder)
  build(folder, tmp_path / "out")
  rows = outcomes(tmp_path / "out")
  assert len(rows) == 16 + bool(reason)
  if reason:
    assert reason in {row["reason"] for row in rows.values()}


def test_all_odd_files_end_in_an_outcome(
  shared_data: pathlib.Path, tmp_path: pathlib.Path
) -> None:
  build(shared_data / "odd", tmp_path / "out")
  rows = outcomes(tmp_path / "out")
  assert len(rows) == 88
  for row in rows.values():
    assert row["outcome"] in ("kept", "kept_with_repair", "rejected")
    assert bool(row["reason"]) == (row["outcome"] != "kept")
    assert row["reason"] != "reader_failed"


def test_a_slow_file_is_stopped_and_tried_again(
  folder: pathlib.Path, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
  slow = (folder / "tune07.mid").read_bytes()
  read_midi = midi.read_midi

  def read(data: bytes, **options: Any) -> midi.Reading:
    try:
      while data == slow:
        time.sleep(0.01)
    except Exception:
      pytest.fail("a reader's own handler must not catch the clock")
    return read_midi(data, **options)

  monkeypatch.setattr(midi, "read_midi", read)
  build(folder, tmp_path / "out", file_timeout_seconds=0.2)
  assert outcomes(tmp_path / "out")["tune07.mid"]["reason"] == "timeout"
  monkeypatch.setattr(midi, "read_midi", read_midi)
  build(folder, tmp_path / "out")
  assert outcomes(tmp_path / "out")["tune07.mid"]["outcome"] == "kept"
  build(folder, tmp_path / "clean")
  assert contents(tmp_path / "out") == contents(tmp_path / "clean")


@pytest.mark.parametrize(
  "error", [MemoryError, RecursionError, ZeroDivisionError]
)
def test_a_failing_reader_costs_one_file(
  folder: pathlib.Path,
  tmp_path: pathlib.Path,
  monkeypatch: pytest.MonkeyPatch,
  error: type[Exception],
) -> None:
  read_midi = midi.read_midi

  def read(data: bytes, **options: Any) -> midi.Reading:
    if data == b"<html>":
      raise error("no")
    return read_midi(data, **options)

  monkeypatch.setattr(midi, "read_midi", read)
  build(folder, tmp_path / "out")
  row = outcomes(tmp_path / "out")["page.rmi"]
  assert (row["reason"], row["detail"]) == (
    "reader_failed",
    f"{error.__name__}: no",
  )
  assert len(splits_of(tmp_path / "out")) == 12


def test_two_builds_do_not_mix(
  folder: pathlib.Path, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
  """Another build claims the folder while this one reads."""
  read_midi, output = midi.read_midi, tmp_path / "out"

  def read(data: bytes, **options: Any) -> midi.Reading:
    plans.claim(output, plans.Plan({"min_notes": 9}, "other"))
    return read_midi(data, **options)

  monkeypatch.setattr(midi, "read_midi", read)
  with pytest.raises(UserError, match="another build .* took"):
    build(folder, output)
  assert [path.name for path in output.iterdir()] == [plans.PLAN]
  monkeypatch.setattr(midi, "read_midi", read_midi)
  build(folder, output)
  build(folder, tmp_path / "clean")
  assert contents(output) == contents(tmp_path / "clean")


def test_a_finished_data_set_is_not_overwritten(
  folder: pathlib.Path, tmp_path: pathlib.Path
) -> None:
  build(folder, tmp_path / "out")
  before = contents(tmp_path / "out")
  with pytest.raises(UserError, match=r"\(seed 0, now 1\): choose another"):
    build(folder, tmp_path / "out", seed=1)
  (folder / "new.mid").write_bytes(tune(77))
  with pytest.raises(UserError, match=r"\(files or labels\): choose another"):
    build(folder, tmp_path / "out")
  assert contents(tmp_path / "out") == before


@pytest.mark.parametrize(
  ("options", "message"),
  [
    ({"midi_dir": "nowhere"}, "nowhere is no folder"),
    ({"midi_dir": "deep/none"}, "no .mid, .midi, .kar, .rmi file below"),
    ({"labels": "page.rmi"}, "page.rmi has no column 'path'"),
    ({"labels": "tune00.mid"}, "tune00.mid is not a csv file"),
    ({"min_notes": 61}, r"no usable piece in 16 files \(too_few_notes 14"),
    ({"valid_fraction": 0.9}, "nothing to train on"),
    ({"valid_fraction": float("nan")}, "nothing to train on"),
    ({"file_timeout_seconds": float("nan")}, "must be at most 86400"),
    ({"file_timeout_seconds": float("inf")}, "must be at most 86400"),
    ({"task_index": 1}, "--task_index=1 must be below"),
  ],
)
def test_mistakes_are_one_line(
  folder: pathlib.Path,
  tmp_path: pathlib.Path,
  options: dict[str, Any],
  message: str,
) -> None:
  (folder / "deep" / "none").mkdir()
  for name in ("midi_dir", "labels"):
    if name in options:
      options = options | {name: str(folder / options[name])}
  given = {"midi_dir": str(folder), "output_dir": str(tmp_path / "out")}
  with pytest.raises(UserError, match=message) as raised:
    build_shards.build(build_shards.Options(**(given | options)))
  assert "\n" not in str(raised.value)
  assert not (tmp_path / "out" / shards.INDEX).exists()


@pytest.mark.parametrize(
  ("name", "status", "line"),
  [("midi", 0, "12 of 16 files kept"), ("gone", 1, "error: --midi_dir=")],
)
def test_the_command(
  folder: pathlib.Path,
  tmp_path: pathlib.Path,
  name: str,
  status: int,
  line: str,
) -> None:
  command = [sys.executable, "-m", "data_prep.build_shards"]
  command += [f"--midi_dir={folder.with_name(name)}", "--num_shards=2"]
  command += [f"--output_dir={tmp_path / 'out'}", "--workers=2"]
  result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
  assert result.returncode == status
  last = (result.stderr if status else result.stdout).splitlines()[-1]
  assert last.startswith(line)


def test_the_clock_is_put_back() -> None:
  before = signal.getsignal(signal.SIGALRM)
  with shard_worker.time_limit(60):
    pass
  assert signal.getsignal(signal.SIGALRM) is before
  assert signal.getitimer(signal.ITIMER_REAL) == (0.0, 0.0)
