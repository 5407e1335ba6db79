"""Errors a user can cause: one line that names the thing and the way out."""

import sys
from collections.abc import Callable
from typing import Any, NoReturn

from absl import app, flags, logging


class UserError(Exception):
  """A mistake in the input, the flags or the files; never a bug.

  The message is one line: what is wrong, then what to do about it.
  """


def run(
  main: Callable[[list[str]], Any],
  define_flags: Callable[[], None] = lambda: None,
) -> None:
  """Runs an absl `main`, turning what a user can cause into one line.

  `UserError`, flags that do not exist or do not fit, and operating-system
  errors (a full disk, a missing right) are printed to stderr and end the
  process with status 1; anything else is a bug and keeps its traceback.
  `define_flags` is for flags whose very definition reads the command line, as
  that of a config file with overrides does.
  """

  def guarded(argv: list[str]) -> Any:
    # JAX and Orbax report every start and save in many lines.
    logging.set_verbosity(logging.ERROR)
    try:
      return main(argv)
    except (UserError, OSError) as error:
      # Half-finished reads of a damaged checkpoint complain when collected.
      sys.unraisablehook = lambda unraisable: None
      _fail(str(error))
    except KeyboardInterrupt:
      _fail("interrupted", status=130)

  def parse(argv: list[str]) -> list[str]:
    return _guard_flags(lambda: flags.FLAGS(argv))

  _guard_flags(define_flags)
  app.run(guarded, flags_parser=parse)


def _guard_flags(read: Callable[[], Any]) -> Any:
  try:
    return read()
  except (AttributeError, KeyError, TypeError) as error:
    # What ml_collections raises for a config field that does not exist.
    message = str(error).strip("\"'")
    _fail(f"{message}; the fields stand in musegen_jax/config.py")
  except flags.Error as error:
    program = sys.argv[0].rsplit("/", 1)[-1]
    _fail(f"{error}; {program} --help lists the flags")


def _fail(message: str, status: int = 1) -> NoReturn:
  print(f"error: {' '.join(message.split())}", file=sys.stderr)
  sys.exit(status)
