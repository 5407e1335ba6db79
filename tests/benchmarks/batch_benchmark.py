"""Time to gather a batch against the training step it feeds.

  python -m tests.benchmarks.batch_benchmark --data_dir=quickstart/shards

runs the quickstart's network on that data set and prints seconds of both.
"""

import time
from collections.abc import Callable

import jax
from absl import flags

from configs import quickstart
from musegen_jax import errors
from musegen_jax.training import parallel
from musegen_jax.training import setup as setup_lib

_DATA_DIR = flags.DEFINE_string(
  "data_dir", "quickstart/shards", "Data set, from data_prep.build_shards."
)
_ROUNDS = flags.DEFINE_integer("rounds", 10, "Measurements of each.")


def _fastest(run: Callable[[int], None]) -> float:
  times = []
  for step in range(_ROUNDS.value + 1):
    start = time.perf_counter()
    run(step)
    times.append(time.perf_counter() - start)
  return min(times[1:])


def main(argv: list[str]) -> None:
  """Measures and prints."""
  del argv
  config = quickstart.get_config()
  config.data.data_dir = _DATA_DIR.value
  setup = setup_lib.prepare(config, "")
  batch_at = setup.task.batch_at
  step_fn = setup.step_fn()
  state = parallel.spread(setup.initial_state())
  batch = parallel.split_rows(batch_at(0))

  def train(step: int) -> None:
    nonlocal state
    state, _ = step_fn(state, batch)
    jax.block_until_ready(state)

  gather, step = _fastest(batch_at), _fastest(train)
  tokens = config.train.batch_size * config.train.window
  print(f"gather {gather * 1e3:.2f} ms, step {step * 1e3:.1f} ms")
  print(f"share {gather / step:.2%}, {tokens / step:.0f} tokens/s trained")


if __name__ == "__main__":
  errors.run(main)
