"""How a token is drawn from logits. Letters: B rows, V vocabulary."""

import dataclasses
from collections.abc import Callable

import jax
import jax.numpy as jnp

from musegen_jax.errors import UserError

NEVER = -jnp.inf


def _ranks(values: jax.Array) -> jax.Array:
  """int32 in the order of float32 values: their bits, those of negative ones
  turned round."""
  bits = jax.lax.bitcast_convert_type(values, jnp.int32)
  return jnp.where(bits < 0, bits ^ jnp.iinfo(jnp.int32).max, bits)


def _at_least(
  logits: jax.Array, enough: Callable[[jax.Array], jax.Array]
) -> jax.Array:
  """Keeps the most likely tokens of [B, V], just so many that they are enough,
  and any tied with the last.

  Sorting 391 tokens for one threshold takes a CPU ten times as long as finding
  it by halves: 32 questions settle the bits of a float32.

  Args:
    logits: [B, V] float32.
    enough: [B, V] bool, the kept -> [B] bool; where some are enough, more are.
  """
  # -0.0 is 0.0, and they are to be tied; XLA would leave out an added zero.
  ranks = _ranks(jnp.where(logits == 0, 0.0, logits))

  def halve(_: int, bounds: tuple) -> tuple:
    low, high = bounds
    # The mean rounded up, without the sum, which may overflow.
    middle = (low | high) - ((low ^ high) >> 1)
    holds = enough(ranks >= middle[:, None])
    return jnp.where(holds, middle, low), jnp.where(holds, high, middle - 1)

  bounds = ranks.min(-1), ranks.max(-1)
  least, _ = jax.lax.fori_loop(0, 32, halve, bounds)
  return jnp.where(ranks >= least[:, None], logits, NEVER)


def keep_top_k(logits: jax.Array, k: int) -> jax.Array:
  """Keeps the k most likely tokens of [B, V], and any tied with the last."""
  return _at_least(logits, lambda kept: kept.sum(-1) >= k)


def keep_top_p(logits: jax.Array, p: float) -> jax.Array:
  """Keeps the smallest set of tokens whose probability reaches p (nucleus
  sampling, Holtzman et al. 2020), and any tied with its last."""
  probs = jax.nn.softmax(logits, axis=-1)
  return _at_least(logits, lambda kept: (probs * kept).sum(-1) >= p)


def keep_min_p(logits: jax.Array, p: float) -> jax.Array:
  """Keeps tokens at least p times as likely as the most likely one (Nguyen et
  al. 2024)."""
  floor = logits.max(-1, keepdims=True) + jnp.log(p)
  return jnp.where(logits >= floor, logits, NEVER)


@dataclasses.dataclass(frozen=True)
class Strategy:
  """Temperature, then top-k, top-p and min-p, then one draw.

  Attributes:
    temperature: divides the logits; 0 takes the most likely token.
    top_k: 0 keeps all.
    top_p: 1 keeps all.
    min_p: 0 keeps all.
  """

  temperature: float = 1.0
  top_k: int = 0
  top_p: float = 1.0
  min_p: float = 0.0

  def check(self) -> None:
    """Raises UserError where a value has no meaning."""
    if not 0 <= self.temperature < float("inf"):
      raise UserError(f"--temperature {self.temperature} must be >= 0")
    if self.top_k < 0:
      raise UserError(f"--top_k {self.top_k} must be 0 (all) or more")
    if not 0 < self.top_p <= 1:
      raise UserError(f"--top_p {self.top_p} must be above 0 and at most 1")
    if not 0 <= self.min_p <= 1:
      raise UserError(f"--min_p {self.min_p} must be in 0..1")

  def __call__(self, logits: jax.Array, uniforms: jax.Array) -> jax.Array:
    """Draws one token a row.

    Args:
      logits: [B, V] float32; -inf is never drawn.
      uniforms: [B] in [0, 1), all the randomness there is.

    Returns:
      tokens [B] int32.
    """
    if self.temperature == 0:
      return logits.argmax(-1).astype(jnp.int32)
    logits = logits / self.temperature
    if self.top_k:
      logits = keep_top_k(logits, min(self.top_k, logits.shape[-1]))
    if self.top_p < 1:
      logits = keep_top_p(logits, self.top_p)
    if self.min_p > 0:
      logits = keep_min_p(logits, self.min_p)
    # Inverse CDF: a token is the number of sums at or below the target.
    sums = jnp.cumsum(jax.nn.softmax(logits, axis=-1), axis=-1)
    target = uniforms[:, None] * sums[:, -1:]
    token = (sums <= target).sum(-1)
    # Rounding may push the target onto the last sum.
    last = (sums < sums[:, -1:]).sum(-1)
    return jnp.minimum(token, last).astype(jnp.int32)
