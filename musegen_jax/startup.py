"""What a program that computes does before JAX starts."""

import ctypes
import hashlib
import os
import pathlib
import platform
import sys

import jax

# Numbers of glibc's mallopt, see malloc.h.
_TRIM_THRESHOLD, _TOP_PAD, _MMAP_MAX, _ARENA_MAX = -1, -2, -4, -8
_PAD_BYTES = 64 << 20


def prepare() -> None:
  """Keeps compiled programs for the next start, and memory for the next step.

  An environment that says otherwise is left as it is: what
  JAX_COMPILATION_CACHE_DIR, JAX_ENABLE_COMPILATION_CACHE and MALLOC_... hold
  comes first.
  """
  _keep_programs()
  _keep_memory()


def _keep_programs() -> None:
  """Turns JAX's persistent compilation cache on, for small programs too."""
  if jax.config.jax_compilation_cache_dir is None:
    folder = _cache_folder()
    try:
      folder.mkdir(parents=True, exist_ok=True)
    except OSError:
      return  # No home to write to: programs are compiled anew.
    jax.config.update("jax_compilation_cache_dir", str(folder))
  # JAX leaves out what took under a second, most of a start.
  jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)


def _cache_folder() -> pathlib.Path:
  """Where compiled programs lie; machines that share a home folder but differ
  in instructions do not share programs."""
  base = os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache"
  return pathlib.Path(base) / "musegen_jax" / f"jax-{_instructions()}"


def _instructions() -> str:
  """A name for what this machine's processor can do."""
  known = platform.machine()
  try:
    lines = pathlib.Path("/proc/cpuinfo").read_text().splitlines()
  except OSError:
    return known
  features = next((x for x in lines if x.startswith(("flags", "Feat"))), "")
  return f"{known}-{hashlib.sha256(features.encode()).hexdigest()[:8]}"


def _keep_memory() -> None:
  """Lets glibc hold on to freed memory.

  By default it gives buffers back to the system after every training step, and
  the next one waits for their pages to be cleared again: an eighth of its time
  with 512 LSTM units on a CPU. Only one arena grows without bound, and only
  memory that is not mapped by itself is kept.
  """
  told = any(name.startswith("MALLOC_") for name in os.environ)
  if not sys.platform.startswith("linux") or told:
    return
  try:
    mallopt = ctypes.CDLL(None).mallopt
  except AttributeError:
    return  # Another C library.
  mallopt(_ARENA_MAX, 1)
  mallopt(_MMAP_MAX, 0)
  mallopt(_TRIM_THRESHOLD, 2**31 - 1)
  mallopt(_TOP_PAD, _PAD_BYTES)
