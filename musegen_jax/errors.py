"""Errors a user can cause: one line that names the thing and the way out."""

import errno
import sys
from collections.abc import Callable
from typing import Any, NoReturn

from absl import app, flags, logging

_ADVICE = {
  errno.EACCES: "change its rights or give another place",
  errno.EDQUOT: "make room, then run the same command again",
  errno.EEXIST: "give another place or move that file away",
  errno.EISDIR: "a file belongs here, not a folder",
  errno.ENOENT: "check the path",
  errno.ENOSPC: "make room, then run the same command again",
  errno.ENOTDIR: "a folder belongs here, not a file",
  errno.EPERM: "change its rights or give another place",
  errno.EROFS: "give a place that can be written to",
}


class UserError(Exception):
  """A mistake in the input, the flags or the files; never a bug.

  The message is one line: what is wrong, then what to do about it.
  """


def run(
  main: Callable[[list[str]], Any],
  define_flags: Callable[[], None] = lambda: None,
) -> None:
  """Runs an absl `main`, turning what a user can cause into one line.

  `UserError`, flags that do not exist or do not fit, arguments that are no
  flags, and operating-system errors (a full disk, a missing right) are printed
  to stderr and end the process with status 1; anything else is a bug and keeps
  its traceback.
  `define_flags` is for flags whose very definition reads the command line, as
  that of a config file with overrides does.
  """

  def guarded(argv: list[str]) -> Any:
    # JAX and Orbax report every start and save in many lines.
    logging.set_verbosity(logging.ERROR)
    try:
      if len(argv) > 1:
        raise UserError(f"unknown argument {argv[1]!r}; flags start with --")
      return main(argv)
    except (UserError, OSError) as error:
      # Half-finished reads of a damaged checkpoint complain when collected.
      sys.unraisablehook = lambda unraisable: None
      _fail(describe(error))
    except KeyboardInterrupt:
      _fail("interrupted", status=130)

  def parse(argv: list[str]) -> list[str]:
    rest = guard_flags(lambda: flags.FLAGS(argv))
    for name in flags.FLAGS:
      # An unset shell variable; as a path "" would mean the current folder.
      if flags.FLAGS[name].value == "" and flags.FLAGS[name].default is None:
        _fail(f"--{name} is empty: give a value or leave it out")
    return rest

  guard_flags(define_flags)
  app.run(guarded, flags_parser=parse)


def describe(error: Exception) -> str:
  """What to tell the user: of an OSError the file, the cause and a way out."""
  if not isinstance(error, OSError) or error.errno is None:
    return str(error)
  parts = [error.filename, error.strerror, _ADVICE.get(error.errno)]
  return ": ".join(str(part) for part in parts if part)


def guard_flags(read: Callable[[], Any]) -> Any:
  try:
    return read()
  except (AttributeError, KeyError, TypeError) as error:
    # What ml_collections raises for a config field that does not exist.
    message = str(error).strip("\"'")
    _fail(f"{message}; the fields stand in musegen_jax/config.py")
  except (OSError, SyntaxError) as error:
    _fail(f"--config: {error}; give a file like configs/lstm.py")
  except flags.Error as error:
    program = sys.argv[0].rsplit("/", 1)[-1]
    _fail(f"{error}; {program} --help lists the flags")


def _fail(message: str, status: int = 1) -> NoReturn:
  print(f"error: {' '.join(message.split())}", file=sys.stderr)
  sys.exit(status)
