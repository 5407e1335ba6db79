"""--write_table: what models/lstm_choice.py reads, measured on this machine."""

import itertools
import json
import pathlib

from musegen_jax import atomic
from musegen_jax.models import lstm, lstm_choice
from musegen_jax.speed import layer, machine
from musegen_jax.speed.sizes import Sizes
from musegen_jax.speed.timing import Settings, attempt

_STEPS = 64


def grid(platform: str) -> list[Sizes]:
  """Sizes from those of tests to those that fill the platform."""
  gpu = platform != "cpu"
  hidden_sizes = (128, 256, 512, 1024) if gpu else (64, 128, 256, 512)
  batches = (1, 8, 64, 256) if gpu else (1, 8, 32, 128)
  dtypes = ("float32", "bfloat16") if gpu else ("float32",)
  every = itertools.product(dtypes, (1, 2, 3), batches, hidden_sizes)
  return [
    Sizes(layers, hidden, hidden, batch, _STEPS, dtype)
    for dtype, layers, batch, hidden in every
  ]


def rows(settings: Settings, chosen: list[Sizes]) -> list[dict]:
  """Fastest milliseconds of each implementation at each size."""
  names = tuple(name for name in lstm.IMPLEMENTATIONS if name != layer.OURS)
  found = []
  for sizes in chosen:
    calls, _, _ = layer.implementations(sizes, names)
    seconds, _ = attempt(calls, settings)
    # What lstm_choice compares the others with.
    if lstm_choice.USUAL not in seconds:
      continue
    found.append(
      {
        "platform": settings.platform,
        "device": machine.device_name(),
        "dtype": sizes.dtype,
        "layers": sizes.layers,
        "batch": sizes.batch,
        "hidden_size": sizes.hidden_size,
        "milliseconds": {
          name: round(min(times) * 1e3, 4) for name, times in seconds.items()
        },
      }
    )
  return found


def write(
  settings: Settings,
  chosen: list[Sizes],
  path: pathlib.Path = lstm_choice.TABLE,
) -> None:
  """Measures and replaces this platform's rows of the table, no others."""
  kept = json.loads(path.read_text()) if path.exists() else []
  kept = [row for row in kept if row["platform"] != settings.platform]
  lines = [json.dumps(row) for row in kept + rows(settings, chosen)]
  text = "[\n" + ",\n".join(lines) + "\n]\n"
  atomic.write(path, text.encode())
