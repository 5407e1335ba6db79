"""What a program finds kept from the last start, and what turns that off."""

import os
import pathlib
import subprocess
import sys

import pytest

from tests.conftest import ROOT

COMPUTE = "jax.jit(lambda x: x * 3)(jax.numpy.ones(2)).block_until_ready()"


def start(home: pathlib.Path, code: str = COMPUTE, **environment: str) -> str:
  """Runs code after `startup.prepare()`, in an environment with no settings of
  JAX or malloc but the given ones; returns what it printed."""
  kept = {
    name: value
    for name, value in os.environ.items()
    if not name.startswith(("JAX_", "MALLOC_", "XDG_"))
  }
  program = (
    f"import jax\nfrom musegen_jax import startup\nstartup.prepare()\n{code}"
  )
  done = subprocess.run(
    [sys.executable, "-c", program],
    cwd=ROOT,
    env=kept | {"HOME": str(home)} | environment,
    capture_output=True,
    text=True,
  )
  assert done.returncode == 0, done.stderr
  return done.stdout


def files(folder: pathlib.Path) -> list[str]:
  return sorted(p.name for p in folder.rglob("*") if p.is_file())


def test_compiled_programs_are_kept_in_the_users_cache(
  tmp_path: pathlib.Path,
) -> None:
  start(tmp_path)
  kept = files(tmp_path / ".cache" / "musegen_jax")
  assert any(name.startswith("jit__lambda") for name in kept)
  start(tmp_path)
  again = files(tmp_path / ".cache" / "musegen_jax")
  assert [n for n in again if n.endswith("-cache")] == [
    n for n in kept if n.endswith("-cache")
  ]


def test_the_environment_comes_first(tmp_path: pathlib.Path) -> None:
  home, elsewhere = tmp_path / "home", tmp_path / "elsewhere"
  start(home, XDG_CACHE_HOME=str(elsewhere))
  assert not home.exists() and files(elsewhere / "musegen_jax")
  own = tmp_path / "own"
  start(home, JAX_COMPILATION_CACHE_DIR=str(own))
  assert not home.exists() and files(own)
  start(home, JAX_ENABLE_COMPILATION_CACHE="false")
  assert not files(home)


def test_without_a_place_to_write_programs_run_all_the_same(
  tmp_path: pathlib.Path,
) -> None:
  blocked = tmp_path / "a file"
  blocked.write_text("")
  start(blocked)


@pytest.mark.skipif(sys.platform != "linux", reason="glibc's malloc")
@pytest.mark.parametrize(
  ("given", "stays"), [({}, True), ({"MALLOC_TOP_PAD_": "0"}, False)]
)
def test_freed_memory_stays(
  tmp_path: pathlib.Path, given: dict[str, str], stays: bool
) -> None:
  # A buffer of 256 MB, used and freed: does the process still hold it?
  code = """
import numpy, pathlib
def held():
  return int(pathlib.Path('/proc/self/statm').read_text().split()[1]) * 4096
before = held()
numpy.ones(1 << 25)
print(held() - before > 1 << 27)
"""
  assert start(tmp_path, code, **given).strip() == str(stays)
