"""Speed of a whole VAE training step beside the same network in torch.

  python -m tests.benchmarks.vae_benchmark --json=vae.json

The sizes are those of configs/vae_2bar.py and configs/vae_16bar_flat.py:
embedding, bidirectional LSTM, posterior, decoder LSTM that hears z and its plan
at every step, logits, objective, gradients, clipping and AdamW. Both use all
cores and take turns in one process; wall time counts, so the machine must be
quiet.
Prints a Markdown table: milliseconds as minimum / median, then the peer's time
over ours by minimum (above 1: ours is faster).
"""

import json
import pathlib
import statistics
import time
from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
from absl import flags, logging

from configs import vae_2bar, vae_16bar_flat
from musegen_jax import atomic, errors
from musegen_jax import config as config_lib
from musegen_jax.data.codecs import melody
from musegen_jax.models import vae
from musegen_jax.training import (
  metrics,
  optimizer,
  parallel,
  state,
  task,
  vae_loss,
)

try:
  import torch
except ImportError:
  torch = None

CONFIGS = {"2 bars": vae_2bar, "16 bars, flat": vae_16bar_flat}
CODEC = melody.CODEC


def define_flags() -> None:
  """Declares this program's flags."""
  flags.DEFINE_integer("rounds", 10, "Measurements of each.", lower_bound=1)
  flags.DEFINE_string("json", None, "Also write the figures to this file.")


def make_batch(config: config_lib.Config) -> dict[str, np.ndarray]:
  """Random tokens; speed does not depend on what they are."""
  shape = (config.train.batch_size, config.train.window)
  rng = np.random.default_rng(0)
  targets = rng.integers(0, CODEC.begin, shape).astype(np.int32)
  inputs = np.roll(targets, 1, axis=1)
  inputs[:, 0] = CODEC.begin
  return {
    "inputs": inputs,
    "targets": targets,
    "mask": np.ones(shape, np.float32),
    "reset": np.zeros(shape, bool),
  }


def ours(config: config_lib.Config) -> Callable[[], None]:
  """The step as the trainer runs it."""
  model = vae.from_config(config, CODEC)
  batch = make_batch(config)
  window = jnp.asarray(batch["inputs"][:1])
  noise = jnp.zeros((1, model.latent_size))
  params = task.draw_params(model, 0, window, window, noise)
  tx = optimizer.make(config.optimizer, config.train.steps, params)
  step_fn = parallel.pmap_step(
    loss=vae_loss.make_loss(
      model, config.vae, config.model.dropout, 0, config.train.steps
    ),
    metrics=metrics.VaeMetrics,
    tx=tx,
    accumulate=1,
  )
  held = parallel.spread(state.init(tx, jax.device_get(params), None))
  rows = parallel.split_rows(batch)

  def step() -> None:
    nonlocal held
    held, _ = step_fn(held, rows)
    jax.block_until_ready(held.step)

  return step


def torch_step(config: config_lib.Config) -> Callable[[], None]:
  """The same network and optimiser in torch."""
  sizes, settings = config.model, config.vae
  width, hidden, depth = (
    sizes.embedding_size,
    sizes.hidden_size,
    sizes.layers,
  )
  latent, steps = settings.latent_size, config.train.window
  pool, plan = settings.pool_size, settings.plan_size
  seen = 2 * settings.encoder_size + steps * pool
  nn = torch.nn
  parts = nn.ModuleDict(
    {
      "seen": nn.Embedding(CODEC.vocab_size, width),
      "heard": nn.Embedding(CODEC.vocab_size, width),
      "encoder": nn.LSTM(width, settings.encoder_size, bidirectional=True),
      "pool": nn.Linear(2 * settings.encoder_size, max(pool, 1)),
      "posterior": nn.Linear(seen, 2 * latent),
      "plan": nn.Linear(latent, steps * max(plan, 1)),
      "to_carry": nn.Linear(latent, 2 * depth * hidden),
      "decoder": nn.LSTM(
        width + latent + plan, hidden, depth, dropout=sizes.dropout
      ),
      "head": nn.Linear(hidden, CODEC.vocab_size),
    }
  )
  adam = torch.optim.AdamW(
    parts.parameters(), 1e-3, weight_decay=config.optimizer.weight_decay
  )
  batch = make_batch(config)
  targets = torch.tensor(batch["targets"].T.copy(), dtype=torch.long)
  inputs = torch.tensor(batch["inputs"].T.copy(), dtype=torch.long)
  count = targets.shape[1]

  def step() -> None:
    adam.zero_grad(set_to_none=True)
    outputs, (last, _) = parts["encoder"](parts["seen"](targets))
    features = [last[0], last[1]]
    if pool:
      pooled = parts["pool"](outputs).transpose(0, 1)
      features.append(pooled.reshape(count, -1))
    last = torch.cat(features, -1)
    mean, log_variance = parts["posterior"](last).chunk(2, -1)
    z = mean + torch.exp(0.5 * log_variance) * torch.randn_like(mean)
    start = torch.tanh(parts["to_carry"](z)).view(count, 2, depth, hidden)
    h, c = start.permute(1, 2, 0, 3).contiguous()
    heard = parts["heard"](inputs)
    told = [heard, z.expand(steps, *z.shape)]
    if plan:
      planned = parts["plan"](z).view(count, steps, plan)
      told.append(planned.transpose(0, 1))
    heard = torch.cat(told, -1)
    outputs, _ = parts["decoder"](heard, (h, c))
    logits = parts["head"](outputs).flatten(0, 1)
    nll = nn.functional.cross_entropy(
      logits, targets.flatten(), reduction="sum"
    )
    kl = 0.5 * (mean**2 + log_variance.exp() - 1 - log_variance).sum(-1)
    free = settings.free_bits * vae_loss.BITS
    loss = nll + settings.beta * torch.clamp(kl - free, min=0).sum()
    (loss / targets.numel()).backward()
    nn.utils.clip_grad_norm_(parts.parameters(), config.optimizer.clip_norm)
    adam.step()

  return step


def measure(config: config_lib.Config, rounds: int) -> dict:
  """Wall milliseconds of both, taking turns."""
  calls = {"ours": ours(config)}
  if torch is not None:
    calls["torch"] = torch_step(config)
  times = {name: [] for name in calls}
  for call in calls.values():
    call()
    call()
  for _ in range(rounds):
    for name, call in calls.items():
      start = time.perf_counter()
      call()
      times[name].append((time.perf_counter() - start) * 1e3)
  return {
    "min_ms": {name: min(values) for name, values in times.items()},
    "median_ms": {
      name: statistics.median(values) for name, values in times.items()
    },
  }


def table_row(name: str, result: dict) -> str:
  """One line of the Markdown table."""
  fastest, median = result["min_ms"], result["median_ms"]
  cells = [name]
  for peer in ("ours", "torch"):
    present = peer in fastest
    cells.append(
      f"{fastest[peer]:.0f} / {median[peer]:.0f}" if present else "missing"
    )
  ratio = fastest.get("torch", float("nan")) / fastest["ours"]
  cells.append(f"{ratio:.2f}" if "torch" in fastest else "missing")
  return f"| {' | '.join(cells)} |"


def main(argv: list[str]) -> None:
  """Measures and prints."""
  del argv
  logging.set_verbosity(logging.ERROR)
  print("| config | ours ms | torch ms | torch/ours |\n|---|---|---|---|")
  results = {}
  for name, module in CONFIGS.items():
    config = module.get_config()
    results[name] = measure(config, flags.FLAGS.rounds)
    print(table_row(name, results[name]), flush=True)
  if flags.FLAGS.json:
    text = json.dumps(results, indent=2) + "\n"
    atomic.write(pathlib.Path(flags.FLAGS.json), text.encode())


if __name__ == "__main__":
  define_flags()
  errors.run(main)
