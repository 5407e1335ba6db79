"""How many steps a run makes in a given time on this machine."""

import contextlib
import sys
import time

import jax
import numpy as np

from musegen_jax.training import calls, parallel
from musegen_jax.training import setup as setup_lib

# The first calls compile and warm up.
WARMUP_CALLS = 3
TIMED_CALLS = 5
TIMED_SECONDS = 5.0


def steps_in(setup: setup_lib.Setup, seconds: float) -> int:
  """Steps that take `seconds` without compilation and validation, at least 1.

  Some calls are made as training makes them and forgotten, TIMED_CALLS and
  TIMED_SECONDS at least; all processes get the same number.
  """
  task, size = setup.task, calls.steps_per_call(setup.config.train)
  feed = calls.feed(
    task.batch_at, task.count_notes, calls.spans(0, sys.maxsize, size)
  )
  steps_fn = setup.steps_fn()
  state, since = parallel.spread(setup.initial_state()), time.monotonic()
  before = None
  with contextlib.closing(feed):
    for number, call in enumerate(feed):
      state, metrics = steps_fn(state, call.rows)
      # The device has the next call while the host waits for one, as in
      # training.
      jax.block_until_ready(before)
      before = metrics
      if number < WARMUP_CALLS:
        since = time.monotonic()
        continue
      timed, spent = number + 1 - WARMUP_CALLS, time.monotonic() - since
      enough = timed >= TIMED_CALLS and spent >= TIMED_SECONDS
      # Together, so that no process waits for another's step.
      if parallel.any_process(enough):
        break
  rates = parallel.sum_over_processes(np.array([timed * size / spent]))
  return max(1, round(seconds * float(rates[0]) / jax.process_count()))
