"""Batches worked out ahead: on every device, while the last ones are written.

Whole batches go to the devices in turn, each computed on one of them, so that
the bits do not depend on how many there are.
"""

import collections
import queue
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent import futures
from typing import TypeVar

import jax

Result = TypeVar("Result")
Compute = Callable[[int], Result]
# Of the thread that computes a batch: `left`, an event.
_worker = threading.local()


def stop_if_unwanted() -> None:
  """Raises CancelledError where nobody waits any more for the batch that this
  thread computes. What takes long calls it now and then: threads cannot be
  ended from outside, and an interrupted program waits for them."""
  if hasattr(_worker, "left") and _worker.left.is_set():
    raise futures.CancelledError


def in_order(
  make: Callable[[jax.Device], Compute], numbers: Iterable[int]
) -> Iterator[Result]:
  """Yields the results of batches in the order of their numbers.

  At most one batch a device is computed ahead of the one that was taken.

  Args:
    make: called once for each local device in use, with JAX's default set to
      it; returns what computes a batch there. Arrays that it shares with other
      devices are its to place.
    numbers: of the batches.

  Raises:
    What computing a batch raised, in its turn.
  """
  devices = jax.local_devices()
  left = threading.Event()
  idle: queue.SimpleQueue = queue.SimpleQueue()
  for device in devices:
    idle.put((device, None))

  def work(number: int) -> Result:
    _worker.left = left
    device, compute = idle.get()
    with jax.default_device(device):
      try:
        compute = compute or make(device)
        return compute(number)
      finally:
        idle.put((device, compute))

  pool = futures.ThreadPoolExecutor(len(devices), "sample")
  pending: collections.deque[futures.Future] = collections.deque()
  try:
    for number in numbers:
      pending.append(pool.submit(work, number))
      if len(pending) > len(devices):
        yield pending.popleft().result()
    while pending:
      yield pending.popleft().result()
  finally:
    # Who was interrupted does not wait for batches that nobody will take.
    left.set()
    pool.shutdown(wait=False, cancel_futures=True)
