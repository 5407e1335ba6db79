"""Settings every test shares; importing it does not import JAX."""

import os
import pathlib

import pytest

ROOT = pathlib.Path(__file__).resolve().parent.parent
SHARED = ROOT.parent / "shared" / "data"

# Subprocesses started by tests inherit these, so a step compiles once a suite.
os.environ.setdefault("JAX_COMPILATION_CACHE_DIR", str(ROOT / ".cache" / "jax"))
os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0.3")
os.environ.setdefault("JAX_NUMPY_RANK_PROMOTION", "raise")
os.environ.setdefault("JAX_PLATFORMS", "cpu")


@pytest.fixture(scope="session")
def shared_data() -> pathlib.Path:
  """The folder of real MIDI beside the checkout; skips where it is absent."""
  if not SHARED.is_dir():
    pytest.skip("../shared/data is not beside this checkout")
  return SHARED
