"""How many steps a run makes in a given time on this machine."""

import itertools
import time

import jax
import numpy as np

from musegen_jax.training import parallel
from musegen_jax.training import setup as setup_lib

# The first steps compile and warm up.
WARMUP_STEPS = 3
TIMED_STEPS = 5
TIMED_SECONDS = 5.0


def steps_in(setup: setup_lib.Setup, seconds: float) -> int:
  """Steps that take `seconds` without compilation and validation, at least 1.

  Some steps are made and forgotten, TIMED_STEPS and TIMED_SECONDS at least; all
  processes get the same number.
  """
  step_fn = setup.step_fn()
  state, since = parallel.spread(setup.initial_state()), time.monotonic()
  for step in itertools.count():
    batch = parallel.split_rows(setup.task.batch_at(step))
    state, _ = step_fn(state, batch)
    jax.block_until_ready(state)
    if step < WARMUP_STEPS:
      since = time.monotonic()
      continue
    timed, spent = step + 1 - WARMUP_STEPS, time.monotonic() - since
    enough = timed >= TIMED_STEPS and spent >= TIMED_SECONDS
    # Together, so that no process waits for another's step.
    if parallel.any_process(enough):
      break
  rates = parallel.sum_over_processes(np.array([timed / spent]))
  return max(1, round(seconds * float(rates[0]) / jax.process_count()))
