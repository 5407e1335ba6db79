import errno
import os
import pathlib
import sys
from collections.abc import Callable

import pytest
from absl import flags
from ml_collections import config_flags

from musegen_jax import errors


@pytest.mark.parametrize(
  "error, expected",
  [
    (errors.UserError("a: b"), "a: b"),
    (OSError("not a regular file"), "not a regular file"),
    (
      OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)),
      "No space left on device: make room, then run the same command again",
    ),
    (
      FileNotFoundError(errno.ENOENT, "No such file or directory", "x/y.mid"),
      "x/y.mid: No such file or directory: check the path",
    ),
    (OSError(errno.EIO, "Input/output error", "x"), "x: Input/output error"),
  ],
)
def test_describe(error: Exception, expected: str) -> None:
  assert errors.describe(error) == expected


def run(
  monkeypatch: pytest.MonkeyPatch,
  main: Callable[[list[str]], None],
  *arguments: str,
  define_flags: Callable[[], None] = lambda: None,
) -> None:
  """Runs `main` as a program, without absl's own set-up."""
  monkeypatch.setattr(sys, "argv", ["program", *arguments])
  monkeypatch.setattr(
    errors.app,
    "run",
    lambda guarded, flags_parser: guarded(flags_parser(sys.argv)),
  )
  monkeypatch.setattr(errors.flags, "FLAGS", flags.FlagValues())
  errors.run(main, define_flags)


def says(capsys: pytest.CaptureFixture, status: SystemExit) -> str:
  """The one line that was printed."""
  assert status.code == 1
  said = capsys.readouterr().err
  assert said.startswith("error: ") and said.count("\n") == 1
  return said


@pytest.mark.parametrize(
  "error", [errors.UserError("one\nline"), NotADirectoryError(20, "one line")]
)
def test_a_mistake_is_one_line_and_status_1(
  error: Exception,
  monkeypatch: pytest.MonkeyPatch,
  capsys: pytest.CaptureFixture,
) -> None:
  def main(argv: list[str]) -> None:
    raise error

  with pytest.raises(SystemExit) as raised:
    run(monkeypatch, main)
  assert "one line" in says(capsys, raised.value)


def test_an_argument_that_is_no_flag_is_named(
  monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
  with pytest.raises(SystemExit) as raised:
    run(monkeypatch, lambda argv: None, "extra")
  assert "unknown argument 'extra'" in says(capsys, raised.value)


@pytest.mark.parametrize("default, is_refused", [(None, True), ("", False)])
def test_an_empty_value_is_refused_where_there_is_no_default(
  default: str | None,
  is_refused: bool,
  monkeypatch: pytest.MonkeyPatch,
  capsys: pytest.CaptureFixture,
) -> None:
  def define_flags() -> None:
    values = errors.flags.FLAGS
    flags.DEFINE_string("output_dir", default, "", flag_values=values)

  arguments = (monkeypatch, lambda argv: None, "--output_dir=")
  if not is_refused:
    run(*arguments, define_flags=define_flags)
    return
  with pytest.raises(SystemExit) as raised:
    run(*arguments, define_flags=define_flags)
  assert "--output_dir is empty" in says(capsys, raised.value)


def test_a_bug_keeps_its_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
  def main(argv: list[str]) -> None:
    raise ZeroDivisionError

  with pytest.raises(ZeroDivisionError):
    run(monkeypatch, main)


@pytest.mark.parametrize(
  "path, message",
  [
    ("none.py", "No such file"),
    ("", "empty string"),
    ("README.md", "README.md"),
  ],
)
def test_a_wrong_config_file_is_named(
  path: str,
  message: str,
  monkeypatch: pytest.MonkeyPatch,
  capsys: pytest.CaptureFixture,
  tmp_path: pathlib.Path,
) -> None:
  (tmp_path / "README.md").write_text("No Python, this.")
  monkeypatch.chdir(tmp_path)

  def define_flags() -> None:
    config_flags.DEFINE_config_file("config", flag_values=errors.flags.FLAGS)

  arguments = [f"--config={path}", "--config.train.steps=3"]
  with pytest.raises(SystemExit) as raised:
    run(monkeypatch, lambda argv: None, *arguments, define_flags=define_flags)
  assert message in says(capsys, raised.value)
