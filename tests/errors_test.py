import errno
import os
import sys

import pytest

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

  monkeypatch.setattr(sys, "argv", ["program"])
  monkeypatch.setattr(
    errors.app, "run", lambda guarded, flags_parser: guarded([])
  )
  with pytest.raises(SystemExit) as exit_info:
    errors.run(main)
  assert exit_info.value.code == 1
  said = capsys.readouterr().err
  assert said.startswith("error: one line") and said.count("\n") == 1


def test_a_bug_keeps_its_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
  def main(argv: list[str]) -> None:
    raise ZeroDivisionError

  monkeypatch.setattr(sys, "argv", ["program"])
  monkeypatch.setattr(
    errors.app, "run", lambda guarded, flags_parser: guarded([])
  )
  with pytest.raises(ZeroDivisionError):
    errors.run(main)
