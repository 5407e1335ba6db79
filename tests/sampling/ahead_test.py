"""Batches on several devices come in order, and alike; faults are passed on."""

import json
import pathlib
import subprocess
import sys
import threading
import time

import jax
import pytest

from musegen_jax.sampling import ahead
from tests.conftest import ROOT


def test_results_come_in_order_and_few_are_ahead() -> None:
  begun, made = [], []

  def make(device: jax.Device) -> ahead.Compute:
    made.append(device)

    def compute(number: int) -> int:
      begun.append(number)
      return number * number

    return compute

  results = ahead.in_order(make, range(3, 20))
  assert next(results) == 9
  time.sleep(0.05)
  assert len(begun) <= 3  # the one taken, one at work, one waiting
  assert list(results) == [n * n for n in range(4, 20)]
  assert made == jax.local_devices()


def test_the_next_is_computed_while_the_last_is_used() -> None:
  second = threading.Event()

  def make(device: jax.Device) -> ahead.Compute:
    return lambda number: second.set() if number else None

  results = ahead.in_order(make, range(2))
  next(results)
  assert second.wait(10)
  results.close()


def test_devices_work_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
  devices = jax.local_devices()[:1] * 2
  monkeypatch.setattr(jax, "local_devices", lambda: devices)
  both = threading.Barrier(2, timeout=10)
  results = ahead.in_order(lambda device: lambda number: both.wait(), range(4))
  assert sorted(results) == [0, 0, 1, 1]


def test_a_fault_is_raised_in_its_turn() -> None:
  def make(device: jax.Device) -> ahead.Compute:
    def compute(number: int) -> int:
      if number == 2:
        raise ValueError("broken")
      return number

    return compute

  results = ahead.in_order(make, range(9))
  assert [next(results), next(results)] == [0, 1]
  with pytest.raises(ValueError, match="broken"):
    next(results)


def test_batches_that_nobody_will_take_stop() -> None:
  begun, stopped = threading.Event(), threading.Event()

  def make(device: jax.Device) -> ahead.Compute:
    def compute(number: int) -> None:
      ahead.stop_if_unwanted()
      if not number:
        return
      begun.set()
      try:
        for _ in range(2000):
          time.sleep(0.01)
          ahead.stop_if_unwanted()
      finally:
        stopped.set()

    return compute

  results = ahead.in_order(make, range(2))
  next(results)
  assert begun.wait(10)
  assert not stopped.wait(0.05)
  results.close()
  assert stopped.wait(10)
  # Other threads go on.
  ahead.stop_if_unwanted()


SAMPLE = """
import hashlib, json, pathlib, sys
import jax, numpy as np
from musegen_jax import config as config_lib
from musegen_jax.data.codecs import codec as codec_lib
from musegen_jax.models import language_model
from musegen_jax.sampling import decode, run
from musegen_jax.sampling.strategies import Strategy
import dataclasses
config = config_lib.Config()
config.model = config_lib.Model(embedding_size=4, hidden_size=8, layers=1)
codec = codec_lib.load(config.data.codec)
model = language_model.from_config(config.model, codec)
key = jax.random.key(0)
params = jax.device_get(model.init(key, method="params"))["params"]
used = set()
inner = decode.sample
def sample(params, *args, **named):
  used.update(d.id for leaf in jax.tree.leaves(params) for d in leaf.devices())
  return inner(params, *args, **named)
decode.sample = sample
folder = pathlib.Path(sys.argv[1])
run.sample(
  params, {}, {"config": dataclasses.asdict(config)},
  run.Settings(
    num=8, only=(), seed=0, lengths=decode.Lengths(1.0, 0.5, 1.0),
    batch_size=2, primers=(), strategy=Strategy(), baseline="",
  ),
  folder, overwrite=False, png=False, soundfont=None,
)
digests = {p.name: hashlib.sha256(p.read_bytes()).hexdigest()
           for p in sorted(folder.iterdir())}
print(json.dumps([digests, len(used)]))
"""


def test_samples_do_not_depend_on_the_number_of_devices(
  tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
  found = {}
  for count in (1, 4):
    flag = f"--xla_force_host_platform_device_count={count}"
    monkeypatch.setenv("XLA_FLAGS", flag)
    done = subprocess.run(
      [sys.executable, "-c", SAMPLE, str(tmp_path / str(count))],
      cwd=ROOT,
      capture_output=True,
      text=True,
    )
    assert done.returncode == 0, done.stderr
    found[count] = json.loads(done.stdout)
  assert [found[1][1], found[4][1]] == [1, 4]
  assert found[1][0] == found[4][0] and len(found[1][0]) > 4
