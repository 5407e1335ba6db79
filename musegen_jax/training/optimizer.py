"""The optax chain: clip, AdamW, warm-up and cosine, frozen parameters."""

import re

import jax
import optax

from musegen_jax import config as config_lib
from musegen_jax.errors import UserError


def learning_rate(
  optimizer: config_lib.Optimizer, steps: int
) -> optax.Schedule:
  """Linear warm-up from 0, then a cosine to 0 at `steps`."""
  return optax.warmup_cosine_decay_schedule(
    init_value=0.0 if optimizer.warmup_steps else optimizer.learning_rate,
    peak_value=optimizer.learning_rate,
    warmup_steps=optimizer.warmup_steps,
    decay_steps=steps,
  )


def _paths(params: dict) -> dict:
  return jax.tree_util.tree_map_with_path(
    lambda path, _: jax.tree_util.keystr(path, simple=True, separator="/"),
    params,
  )


def _not_biases(params: dict) -> dict:
  return jax.tree.map(lambda path: "bias" not in path, _paths(params))


def make(
  optimizer: config_lib.Optimizer, steps: int, params: dict
) -> optax.GradientTransformation:
  """Builds the optimiser for parameters of this structure.

  Parameters whose path matches `optimizer.frozen` get no update and no
  optimiser state. Raises UserError when the pattern matches none or all.
  """
  chain = optax.chain(
    optax.clip_by_global_norm(optimizer.clip_norm),
    optax.adamw(
      learning_rate(optimizer, steps),
      weight_decay=optimizer.weight_decay,
      # A function, because beside frozen leaves the chain sees a smaller tree.
      mask=_not_biases,
    ),
  )
  if not optimizer.frozen:
    return chain
  labels = jax.tree.map(
    lambda path: "frozen" if re.search(optimizer.frozen, path) else "trained",
    _paths(params),
  )
  kinds = set(jax.tree.leaves(labels))
  if kinds != {"frozen", "trained"}:
    names = ", ".join(jax.tree.leaves(_paths(params)))
    raise UserError(
      f"config: optimizer.frozen {optimizer.frozen!r} matches"
      f" {'every' if kinds == {'frozen'} else 'no'} parameter of: {names}"
    )
  return optax.partition(
    {"trained": chain, "frozen": optax.set_to_zero()}, labels
  )
