"""The export as users run it: files, labels, resuming, one-line errors."""

import csv
import os
import pathlib
import subprocess
import sys
import time
from collections.abc import Callable

import pytest

from data_prep import export_corpus
from musegen_jax.data import midi
from musegen_jax.errors import UserError

pytest.importorskip("music21")

ROOT = pathlib.Path(__file__).resolve().parents[2]
CORPORA = ["bach", "folk"]


def run(
  *arguments: str, **environment: str
) -> subprocess.CompletedProcess[str]:
  return subprocess.run(
    [sys.executable, "-m", "data_prep.export_corpus", *arguments],
    cwd=ROOT,
    env=os.environ | environment,
    capture_output=True,
    text=True,
    timeout=120,
  )


def contents(folder: pathlib.Path) -> dict[str, bytes]:
  return {
    file.relative_to(folder).as_posix(): file.read_bytes()
    for file in folder.rglob("*")
    if file.is_file()
  }


def rows(file: pathlib.Path) -> list[dict[str, str]]:
  with file.open(newline="", encoding="utf-8") as lines:
    return list(csv.DictReader(lines))


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
  """Three pieces of two corpora, exported by the command."""
  base = tmp_path_factory.mktemp("export")
  home = base / "home"
  home.mkdir()
  result = run(
    "--corpus=bach,folk",
    f"--output_dir={base / 'midi'}",
    "--limit=3",
    "--workers=2",
    HOME=str(home),
    TMPDIR=str(home),
  )
  assert result.returncode == 0, result.stderr
  assert "folk: 3 exported, 0 skipped" in result.stdout
  assert "non-commercial" in result.stdout
  assert not contents(home)  # no pickle, no settings
  return base / "midi"


@pytest.fixture
def inline(monkeypatch: pytest.MonkeyPatch) -> list[str]:
  """Replaces the pool by a loop; lists the pieces that were parsed."""
  parsed = []

  def run_here(tasks: list[tuple], workers: int) -> dict[str, str]:
    parsed.extend(source.path for source, _ in tasks)
    reasons = [export_corpus.export_piece(task) for task in tasks]
    pairs = zip(tasks, reasons, strict=True)
    return {task[0].path: reason for task, reason in pairs if reason}

  monkeypatch.setattr(export_corpus, "_run", run_here)
  return parsed


def test_labels_name_every_file(finished: pathlib.Path) -> None:
  labels = rows(finished / "labels.csv")
  paths = [row["path"] for row in labels]
  files = [name for name in contents(finished) if name.endswith(".mid")]
  assert paths == sorted(files)
  assert [row["genre"] for row in labels] == ["bach"] * 3 + ["folk"] * 3
  assert all(row["title"] and row["composer"] for row in labels)
  for path in paths:
    reading = midi.read_midi((finished / path).read_bytes())
    assert len(reading.piece.notes) > 20


def test_bytes_do_not_depend_on_workers_or_interruptions(
  finished: pathlib.Path, tmp_path: pathlib.Path, inline: list[str]
) -> None:
  export_corpus.export(CORPORA, tmp_path, workers=1, limit=2)
  assert len(inline) == 4
  # As if killed: one piece and the labels are missing, then more is asked for.
  (tmp_path / inline[0]).unlink()
  (tmp_path / "labels.csv").unlink()
  del inline[1:]
  export_corpus.export(CORPORA, tmp_path, workers=1, limit=3)
  assert len(inline) == 1 + 3 and inline[0] == inline[1]
  assert contents(tmp_path) == contents(finished)


def test_complete_export_parses_nothing(
  finished: pathlib.Path, inline: list[str]
) -> None:
  before = contents(finished)
  export_corpus.export(CORPORA, finished, workers=1, limit=3)
  assert not inline
  assert contents(finished) == before


def test_empty_file_is_exported_again(
  finished: pathlib.Path, inline: list[str]
) -> None:
  before = contents(finished)
  name = rows(finished / "labels.csv")[0]["path"]
  (finished / name).write_bytes(b"")
  export_corpus.export(CORPORA, finished, workers=1, limit=3)
  assert inline == [name]
  assert contents(finished) == before


def test_killed_export_leaves_whole_files_and_no_process(
  finished: pathlib.Path, tmp_path: pathlib.Path
) -> None:
  command = [sys.executable, "-m", "data_prep.export_corpus"]
  command += ["--corpus=bach", f"--output_dir={tmp_path}", "--workers=1"]
  process = subprocess.Popen(
    command, cwd=ROOT, stderr=subprocess.DEVNULL, start_new_session=True
  )
  first = rows(finished / "labels.csv")[0]["path"]
  wait_until((tmp_path / first).exists)
  process.kill()
  process.wait()
  wait_until(lambda: not group_exists(process.pid))
  assert (tmp_path / first).read_bytes() == (finished / first).read_bytes()
  assert not (tmp_path / "labels.csv").exists()


def wait_until(is_true: Callable[[], bool]) -> None:
  deadline = time.monotonic() + 60
  while not is_true():
    assert time.monotonic() < deadline
    time.sleep(0.05)


def group_exists(process_id: int) -> bool:
  try:
    os.killpg(process_id, 0)
  except ProcessLookupError:
    return False
  return True


def test_interrupted_export_leaves_no_labels(
  tmp_path: pathlib.Path,
  inline: list[str],
  monkeypatch: pytest.MonkeyPatch,
) -> None:
  export_corpus.export(["folk"], tmp_path, workers=1, limit=1)

  def stop(*_: object) -> dict[str, str]:
    raise KeyboardInterrupt

  monkeypatch.setattr(export_corpus, "_run", stop)
  with pytest.raises(KeyboardInterrupt):
    export_corpus.export(["folk"], tmp_path, workers=1, limit=2)
  assert not (tmp_path / "labels.csv").exists()


def test_skipped_pieces_are_counted_and_not_tried_again(
  tmp_path: pathlib.Path,
  monkeypatch: pytest.MonkeyPatch,
  capsys: pytest.CaptureFixture[str],
) -> None:
  def skip_all(tasks: list[tuple], workers: int) -> dict[str, str]:
    return {source.path: "no notes" for source, _ in tasks}

  monkeypatch.setattr(export_corpus, "_run", skip_all)
  with pytest.raises(UserError, match="no piece could be exported"):
    export_corpus.export(["folk"], tmp_path, workers=1, limit=2)
  assert "skipped, no notes: 2" in capsys.readouterr().out
  assert [row["reason"] for row in rows(tmp_path / "skipped.csv")] == [
    "no notes",
    "no notes",
  ]
  monkeypatch.delattr(export_corpus, "_run")  # calling it would now fail
  with pytest.raises(UserError, match="no piece could be exported"):
    export_corpus.export(["folk"], tmp_path, workers=1, limit=2)


def test_folder_of_another_selection_is_refused(
  finished: pathlib.Path,
) -> None:
  before = contents(finished)
  for corpora, limit in ((["bach"], 3), (CORPORA, 2)):
    with pytest.raises(UserError, match="not in this selection"):
      export_corpus.export(corpora, finished, workers=1, limit=limit)
  assert contents(finished) == before


def test_folder_of_another_version_is_refused(
  finished: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
  monkeypatch.setattr(export_corpus, "EXPORT_VERSION", -1)
  with pytest.raises(UserError, match="another version"):
    export_corpus.export(CORPORA, finished, workers=1, limit=3)


@pytest.mark.parametrize(
  ("corpus", "message"),
  [
    ("bach,jazz", "unknown corpus 'jazz'; choose from bach, fiddle, folk"),
    ("", "unknown corpus ''"),
  ],
)
def test_wrong_corpus_is_one_line(
  tmp_path: pathlib.Path, corpus: str, message: str
) -> None:
  result = run(f"--corpus={corpus}", f"--output_dir={tmp_path / 'midi'}")
  assert result.returncode == 1
  assert result.stderr.startswith(f"error: {message}")
  assert result.stderr.count("\n") == 1
  assert not (tmp_path / "midi").exists()


def test_an_empty_folder_name_is_refused() -> None:
  result = run("--corpus=bach", "--output_dir=")
  assert result.returncode == 1
  assert result.stderr.startswith("error: --output_dir is empty")


def test_loads_without_jax() -> None:
  code = "import data_prep.export_corpus, sys; sys.exit('jax' in sys.modules)"
  subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True)
