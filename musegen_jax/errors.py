"""Errors a user can cause: one line that names the thing and the way out."""

import sys
from collections.abc import Callable
from typing import Any

from absl import app, logging


class UserError(Exception):
  """A mistake in the input, the flags or the files; never a bug.

  The message is one line: what is wrong, then what to do about it.
  """


def run(main: Callable[[list[str]], Any]) -> None:
  """Runs an absl `main`, turning what a user can cause into one line.

  `UserError` and operating-system errors (a full disk, a missing right) are
  printed to stderr and end the process with status 1; anything else is a bug
  and keeps its traceback.
  """

  def guarded(argv: list[str]) -> Any:
    # JAX and Orbax report every start and save in many lines.
    logging.set_verbosity(logging.ERROR)
    try:
      return main(argv)
    except (UserError, OSError) as error:
      message = " ".join(str(error).split())
      print(f"error: {message}", file=sys.stderr)
      sys.exit(1)
    except KeyboardInterrupt:
      print("error: interrupted", file=sys.stderr)
      sys.exit(130)

  app.run(guarded)
