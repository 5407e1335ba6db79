"""The training step, pure: (state, batch) -> (state, metrics).

Letters: B rows of this device, T window, L layers, H LSTM units, A
micro-batches, V vocabulary.
"""

import functools
from typing import Any, Protocol

import jax
import jax.numpy as jnp
import optax
from clu import metrics as clu_metrics

from musegen_jax.models.language_model import LanguageModel
from musegen_jax.models.vae import VAE
from musegen_jax.training import state as state_lib

AXIS = "data"
Outputs = dict[str, jax.Array]


class Loss(Protocol):
  """What a model's loss looks like to the step."""

  def __call__(
    self,
    params: state_lib.Params,
    rows: dict[str, jax.Array],
    carry: state_lib.Carry | None,
    step: jax.Array,
  ) -> tuple[jax.Array, tuple[Outputs, state_lib.Carry | None]]:
    """The loss summed over rows (a batch, and `row`, their numbers [B] in the
    whole batch), then arrays [B, T] for the metrics and the new carry."""


def dropout_masks(
  key: jax.Array,
  rows: jax.Array,
  window: int,
  model: LanguageModel | VAE,
  rate: float,
) -> jax.Array:
  """Factors [L, T, B, H], each row's drawn from its number in the whole
  batch, so that the number of devices changes nothing."""
  shape = (model.layers, window, model.hidden_size)

  def row_mask(row: jax.Array) -> jax.Array:
    return jax.random.bernoulli(jax.random.fold_in(key, row), 1 - rate, shape)

  kept = jax.vmap(row_mask, out_axes=2)(rows)
  return kept.astype(model.dtype) / (1 - rate)


def _split(array: jax.Array, axis: int, parts: int) -> jax.Array:
  """Micro-batches to the front: [..., B, ...] -> [A, ..., B / A, ...]."""
  shape = array.shape
  split = array.reshape(*shape[:axis], parts, -1, *shape[axis + 1 :])
  return jnp.moveaxis(split, axis, 0)


def _join(array: jax.Array, axis: int) -> jax.Array:
  """The inverse of `_split`."""
  array = jnp.moveaxis(array, 0, axis)
  shape = array.shape
  return array.reshape(*shape[:axis], -1, *shape[axis + 2 :])


def _gradient_sum(
  loss: Loss,
  state: state_lib.State,
  batch: dict[str, jax.Array],
  accumulate: int,
) -> tuple[state_lib.Params, Outputs, state_lib.Carry | None]:
  """Adds up the gradients of `accumulate` micro-batches, one after another.

  Returns:
    The gradient of the summed loss, the outputs [B, T], the new carry.
  """

  def micro_step(gradient: state_lib.Params, micro: tuple) -> tuple:
    (_, outputs), more = jax.value_and_grad(loss, has_aux=True)(
      state.params, *micro, state.step
    )
    return jax.tree.map(jnp.add, gradient, more), outputs

  micro_batches = (
    jax.tree.map(lambda a: _split(a, 0, accumulate), batch),
    jax.tree.map(lambda a: _split(a, 1, accumulate), state.carry),
  )
  zeros = jax.tree.map(jnp.zeros_like, state.params)
  gradient, (outputs, carry) = jax.lax.scan(micro_step, zeros, micro_batches)
  carry = jax.tree.map(lambda a: _join(a, 1), carry)
  return gradient, jax.tree.map(lambda a: _join(a, 0), outputs), carry


def train_step(
  state: state_lib.State,
  batch: dict[str, jax.Array],
  *,
  loss: Loss,
  metrics: type[clu_metrics.Collection],
  tx: optax.GradientTransformation,
  accumulate: int,
  axis: str | None = AXIS,
) -> tuple[state_lib.State, clu_metrics.Collection]:
  """One update from this device's rows of the batch.

  Sums of loss and mask are added over micro-batches and devices and divided
  once, so that rows count alike however masks and devices fall.

  Args:
    state: replicated but for `carry`, see `state.State`.
    batch: inputs, targets, mask, reset and what else the loss reads, each
      [B, T, ...].
    loss: of the model.
    metrics: what to make of the loss's outputs.
    tx: the optimiser.
    accumulate: A, micro-batches of B / A rows.
    axis: the pmap's over the devices that share the batch; None where this
      device has all of it.
  """
  count = len(batch["inputs"])
  first_row = jax.lax.axis_index(axis) * count if axis else 0
  batch = batch | {"row": first_row + jnp.arange(count)}
  gradient, outputs, carry = _gradient_sum(loss, state, batch, accumulate)
  weight = batch["mask"].sum()
  if axis:
    gradient, weight = jax.lax.psum((gradient, weight), axis)
  gradient = jax.tree.map(lambda g: g / jnp.maximum(weight, 1), gradient)
  updates, opt_state = tx.update(gradient, state.opt_state, state.params)
  outputs = outputs | {
    "mask": batch["mask"],
    "gradient_norm": optax.tree.norm(gradient),
  }
  if axis:
    figures = metrics.gather_from_model_output(axis_name=axis, **outputs)
  else:
    figures = metrics.single_from_model_output(**outputs)
  new_state = state.replace(
    step=state.step + 1,
    params=optax.apply_updates(state.params, updates),
    opt_state=opt_state,
    carry=carry,
  )
  return new_state, figures


def train_steps(
  state: state_lib.State, batches: dict[str, jax.Array], **statics: Any
) -> tuple[state_lib.State, clu_metrics.Collection]:
  """`train_step` on batches [n, B, T, ...], one after another; the metrics of
  each step, arrays [n, ...]."""
  step = functools.partial(train_step, **statics)
  return jax.lax.scan(step, state, batches)
