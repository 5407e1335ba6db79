"""Whether the peers that we are measured against are here."""

import functools
import importlib
import importlib.util
from types import ModuleType

TORCH_MISSING = "torch is missing: pip install torch"


@functools.cache
def torch_peers(platform: str) -> tuple[ModuleType | None, str]:
  """The module `peers_torch` on JAX's platform, or None and why not."""
  if importlib.util.find_spec("torch") is None:
    return None, TORCH_MISSING
  module = importlib.import_module("musegen_jax.speed.peers_torch")
  if not module.reaches(platform):
    return None, "this torch reaches no GPU: pip install a CUDA build of it"
  return module, ""
