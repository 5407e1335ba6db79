"""Speed of the LSTM core on one CPU core, beside torch and Flax.

  python tests/benchmarks/lstm_benchmark.py --json=lstm.json

Forward and backward (gradients of weights and of the inputs) of two layers
over 64 steps of width 256, the first layer's projection included for all.
The three take turns in one process on one pinned core; CPU time counts.
Prints a Markdown table: milliseconds of each as minimum / median, then the
peers' time over ours by minimum (above 1: ours is faster).
"""

import json
import os
import pathlib
import statistics
import time
from collections.abc import Callable

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
from absl import flags

from musegen_jax import atomic, errors
from musegen_jax.models import lstm

try:
  import torch
except ImportError:
  torch = None

SIZES = ((512, 32), (512, 8), (256, 8), (256, 32))  # hidden units, batch
STEPS, WIDTH, LAYERS = 64, 256, 2

FLAGS = flags.FLAGS


def define_flags() -> None:
  """Declares this program's flags."""
  flags.DEFINE_integer("rounds", 10, "Measurements of each.", lower_bound=1)
  flags.DEFINE_integer("core", None, "CPU to run on, else the first allowed.")
  flags.DEFINE_string("json", None, "Also write the figures to this file.")


def pin(core: int | None) -> None:
  """Keeps this process, and the pools it will start, on one core."""
  if hasattr(os, "sched_setaffinity"):
    first = min(os.sched_getaffinity(0))
    os.sched_setaffinity(0, {first if core is None else core})
  if torch is not None:
    torch.set_num_threads(1)


def compiled(
  forward: Callable, params: dict, inputs: jax.Array, weights: jax.Array
) -> tuple[Callable, float]:
  """A call that runs forward and backward, and the seconds to compile it."""

  def loss(params: dict, inputs: jax.Array) -> jax.Array:
    return (forward(params, inputs) * weights).sum()

  start = time.perf_counter()
  step = jax.jit(jax.value_and_grad(loss, (0, 1)))
  step = step.lower(params, inputs).compile()
  seconds = time.perf_counter() - start
  return lambda: jax.block_until_ready(step(params, inputs)), seconds


def ours(inputs: jax.Array, weights: jax.Array) -> tuple[Callable, float]:
  """`lstm.lstm` with its default implementation."""
  batch, hidden_size = weights.shape[1:]
  gates = 4 * hidden_size
  shapes = {
    "kernel": (WIDTH, gates),
    "first_bias": (gates,),
    "recurrent": (LAYERS, hidden_size, gates),
    "input": (LAYERS - 1, hidden_size, gates),
    "bias": (LAYERS - 1, gates),
  }
  rng = np.random.default_rng(1)
  params = {
    name: jnp.asarray(rng.normal(0, 0.04, shape), jnp.float32)
    for name, shape in shapes.items()
  }
  carry = lstm.initial_carry(LAYERS, batch, hidden_size)

  def forward(params: dict, inputs: jax.Array) -> jax.Array:
    gates_in = lstm.input_gates(inputs, params["kernel"], params["first_bias"])
    return lstm.lstm(params, gates_in, carry)[0]

  return compiled(forward, params, inputs, weights)


def flax_peer(inputs: jax.Array, weights: jax.Array) -> tuple[Callable, float]:
  """Flax's scan over its faster cell."""

  class Stack(nn.Module):
    @nn.compact
    def __call__(self, inputs: jax.Array) -> jax.Array:
      for _ in range(LAYERS):
        cell = nn.OptimizedLSTMCell(weights.shape[-1])
        inputs = nn.RNN(cell, time_major=True)(inputs)
      return inputs

  model = Stack()
  params = model.init(jax.random.key(0), inputs[:1])
  return compiled(model.apply, params, inputs, weights)


def torch_peer(inputs: jax.Array, weights: jax.Array) -> Callable:
  """torch.nn.LSTM, through oneDNN where its build has it."""
  model = torch.nn.LSTM(WIDTH, weights.shape[-1], LAYERS)
  inputs = torch.tensor(np.asarray(inputs), requires_grad=True)
  weights = torch.tensor(np.asarray(weights))

  def step() -> None:
    model.zero_grad(set_to_none=True)
    inputs.grad = None
    (model(inputs)[0] * weights).sum().backward()

  return step


def measure(hidden_size: int, batch: int, rounds: int) -> dict:
  """CPU milliseconds of every competitor at one size, taking turns."""
  rng = np.random.default_rng(0)

  def draw(width: int) -> jax.Array:
    return jnp.asarray(rng.normal(size=(STEPS, batch, width)), jnp.float32)

  inputs, weights = draw(WIDTH), draw(hidden_size)
  calls, compile_seconds = {}, {}
  calls["ours"], compile_seconds["ours"] = ours(inputs, weights)
  calls["flax"], compile_seconds["flax"] = flax_peer(inputs, weights)
  if torch is not None:
    calls["torch"] = torch_peer(inputs, weights)
  times = {name: [] for name in calls}
  for call in calls.values():
    call()
  for _ in range(rounds):
    for name, call in calls.items():
      start = time.process_time()
      call()
      times[name].append((time.process_time() - start) * 1e3)
  return {
    "hidden_size": hidden_size,
    "batch": batch,
    "min_ms": {name: min(values) for name, values in times.items()},
    "median_ms": {
      name: statistics.median(values) for name, values in times.items()
    },
    "compile_seconds": compile_seconds,
  }


def table_row(result: dict) -> str:
  """One line of the Markdown table."""
  fastest, median = result["min_ms"], result["median_ms"]
  cells = [f"H{result['hidden_size']} B{result['batch']}"]
  for name in ("ours", "torch", "flax"):
    present = name in fastest
    cells.append(
      f"{fastest[name]:.0f} / {median[name]:.0f}" if present else "missing"
    )
  for name in ("torch", "flax"):
    present = name in fastest
    cells.append(
      f"{fastest[name] / fastest['ours']:.2f}" if present else "missing"
    )
  cells.append(f"{result['compile_seconds']['ours']:.1f} s")
  return f"| {' | '.join(cells)} |"


def main(argv: list[str]) -> None:
  del argv
  pin(FLAGS.core)
  print(
    "| size | ours ms | torch ms | flax ms | torch/ours | flax/ours |", end=""
  )
  print(" compile |\n|---|---|---|---|---|---|---|")
  results = []
  for hidden_size, batch in SIZES:
    results.append(measure(hidden_size, batch, FLAGS.rounds))
    print(table_row(results[-1]), flush=True)
  if FLAGS.json:
    text = json.dumps(results, indent=2) + "\n"
    atomic.write(pathlib.Path(FLAGS.json), text.encode())


if __name__ == "__main__":
  define_flags()
  errors.run(main)
