"""The steps made in one dispatch: how many, which, and their batches.

Letters: n steps of a call, B rows of this process, K devices of it.
"""

import dataclasses
import math
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import jax
import numpy as np

from musegen_jax import config as config_lib
from musegen_jax.data import batches
from musegen_jax.training import parallel

# On an accelerator the host needs about as long to dispatch a small step as the
# device to make it.
ON_ACCELERATOR = 8


@dataclasses.dataclass(frozen=True)
class Call:
  """What one dispatch works on.

  Attributes:
    steps: their numbers, n of them.
    rows: their batches on the devices, arrays [K, n, B / K, ...].
    notes: in all of them.
  """

  steps: range
  rows: Any
  notes: int


def steps_per_call(train: config_lib.Train) -> int:
  """Steps of one call: the largest number up to `train.steps_per_call` that
  divides every interval at which the loop stops."""
  on_cpu = jax.default_backend() == "cpu"
  limit = train.steps_per_call or (1 if on_cpu else ON_ACCELERATOR)
  every = math.gcd(
    train.log_every, train.evaluate_every, train.checkpoint_every
  )
  return max(n for n in range(1, min(limit, every) + 1) if every % n == 0)


def spans(first: int, last: int, size: int) -> Iterator[range]:
  """Steps first .. last - 1, cut at multiples of `size`; what is left at both
  ends goes one by one, so that two sizes at most are compiled."""
  while first < last:
    whole = first % size == 0 and first + size <= last
    span = range(first, first + size if whole else first + 1)
    yield span
    first = span.stop


def feed(
  batch_at: Callable[[int], batches.Batch],
  count_notes: Callable[[batches.Batch], int],
  chosen: Iterable[range],
) -> Iterator[Call]:
  """Yields the calls of spans of steps, made and put on the devices by a
  thread ahead of time."""

  def make(span: range) -> Call:
    each = [batch_at(step) for step in span]
    stacked = {name: np.stack([b[name] for b in each]) for name in each[0]}
    return Call(span, parallel.put_rows(stacked), count_notes(stacked))

  return batches.prefetch(make, chosen)
