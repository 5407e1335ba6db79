"""Sampling from n-grams, through the same grammar and strategy as the LSTM.

Letters: B rows, C tokens a chunk, V vocabulary.
"""

import dataclasses
from collections.abc import Sequence

import jax
import numpy as np

from musegen_jax.data.codecs.codec import Codec
from musegen_jax.models import ngram
from musegen_jax.sampling import chunks, decode
from musegen_jax.sampling import grammar as grammar_lib
from musegen_jax.sampling.strategies import Strategy

_choose = jax.jit(decode.choose, static_argnames="strategy")


@dataclasses.dataclass(frozen=True)
class _State:
  histories: np.ndarray
  grammar: grammar_lib.State
  limits: decode.Limits
  position: int


def _take(state: _State, which: np.ndarray) -> _State:
  return _State(
    state.histories[which],
    jax.tree.map(lambda part: part[which], state.grammar),
    decode.take_limits(state.limits, which),
    state.position,
  )


def sample(
  model: ngram.NGram,
  order: int,
  codec: Codec,
  *,
  indices: np.ndarray,
  primers: Sequence[np.ndarray],
  lengths: decode.Lengths,
  strategy: Strategy,
  seed: int,
) -> list[np.ndarray]:
  """Samples one batch of pieces from an n-gram of `order`; all else as in
  `decode.sample`."""
  batch = len(indices)
  tables = grammar_lib.tables(codec)
  width = max(order - 1, 1)

  def advance(
    state: _State, uniforms: jax.Array, forced: jax.Array
  ) -> tuple[_State, np.ndarray]:
    histories, grammar, said = state.histories, state.grammar, []
    for offset in range(len(uniforms)):
      probs = ngram.next_probs(model, histories[:, -width:], order)
      with np.errstate(divide="ignore"):
        logits = np.log(probs).astype(np.float32)
      tokens, grammar = _choose(
        logits,
        uniforms[offset],
        grammar,
        state.position + offset,
        state.limits,
        forced[offset],
        tables=tables,
        strategy=strategy,
      )
      said.append(np.asarray(tokens))
      histories = np.concatenate([histories, said[-1][:, None]], 1)
      if np.asarray(grammar.done).all():
        break
    return (
      _State(histories, grammar, state.limits, state.position + len(said)),
      np.stack(said),
    )

  rows = chunks.run(
    advance,
    _State(
      np.full((batch, 1), codec.begin, np.int32),
      grammar_lib.start(batch),
      decode.make_limits(codec, primers, lengths),
      0,
    ),
    lambda state: state.grammar.done,
    _take,
    indices,
    primers,
    seed,
  )
  return [decode.cut_at_end(row, codec) for row in rows]
