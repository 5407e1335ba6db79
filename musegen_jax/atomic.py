"""Files that are whole or absent."""

import os
import pathlib


def write(path: pathlib.Path, data: bytes) -> None:
  """Writes a file under a temporary name beside it, then renames it.

  A crash, a kill or a full disk leaves the old file or none, never half of
  the new one.
  """
  temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
  try:
    with temporary.open("wb") as file:
      file.write(data)
      file.flush()
      os.fsync(file.fileno())
    os.replace(temporary, path)
  finally:
    temporary.unlink(missing_ok=True)
