"""Sampling from a network: primers, addresses, agreement with a plain loop."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from musegen_jax.data.codecs import codec as codec_lib
from musegen_jax.models import language_model, ngram
from musegen_jax.sampling import chunks, decode, markov
from musegen_jax.sampling import grammar as grammar_lib
from musegen_jax.sampling.strategies import Strategy

CODEC = codec_lib.load("performance")
MODEL = language_model.LanguageModel(CODEC.vocab_size, 6, 8, 2)
NONE = np.zeros(0, np.int16)


@pytest.fixture(scope="module")
def params() -> dict:
  tokens = jnp.zeros((1, 1), jnp.int32)
  carry = MODEL.zero_carry(1)
  return MODEL.init(jax.random.key(0), tokens, carry)["params"]


def sample(
  params: dict,
  indices: list[int],
  primers: list[np.ndarray] | None = None,
  seconds: float = 2.0,
  seed: int = 0,
  strategy: Strategy | None = None,
) -> list[np.ndarray]:
  return decode.sample(
    language_model.step_params(params, "float32"),
    MODEL,
    CODEC,
    indices=np.array(indices),
    primers=primers or [NONE] * len(indices),
    lengths=decode.Lengths(seconds, 0.0, 5.0),
    strategy=strategy or Strategy(),
    seed=seed,
  )


def test_a_piece_depends_on_its_number_and_the_seed_alone(params: dict) -> None:
  together = sample(params, [0, 1, 2, 17])
  elsewhere = sample(params, [17, 5, 6, 1])
  np.testing.assert_array_equal(together[3], elsewhere[0])
  np.testing.assert_array_equal(together[1], elsewhere[3])
  assert not np.array_equal(together[0], together[1])
  other = sample(params, [0, 1, 2, 17], seed=1)
  assert not np.array_equal(together[0], other[0])


def test_parameters_may_lie_on_the_host(params: dict) -> None:
  [ours] = sample(jax.device_get(params), [3], seconds=0.5)
  np.testing.assert_array_equal(ours, sample(params, [3], seconds=0.5)[0])


def test_greedy_tokens_are_those_of_a_plain_loop(params: dict) -> None:
  greedy = Strategy(temperature=0)
  [said] = sample(params, [0], seconds=0.5, strategy=greedy)
  tables = grammar_lib.tables(CODEC)
  limits = decode.make_limits(CODEC, [NONE], decode.Lengths(0.5, 0.0, 5.0))
  allowed = jax.jit(grammar_lib.allowed)
  advance = jax.jit(grammar_lib.advance)
  state, tokens = grammar_lib.start(1), [CODEC.begin]
  apply = jax.jit(MODEL.apply)
  for position in range(len(said)):
    # Padded to one shape, so that it compiles once; the model is causal.
    padded = np.zeros((1, len(said) + 1), np.int32)
    padded[0, : len(tokens)] = tokens
    logits, _, _ = apply({"params": params}, padded, MODEL.zero_carry(1))
    left = limits.tokens - position
    mask = allowed(
      *(tables, state, limits.steps, left),
      *(limits.min_steps, limits.note_steps),
    )
    token = jnp.where(mask, logits[:, position], -jnp.inf).argmax(-1)
    state = advance(tables, state, token)
    tokens.append(int(token[0]))
  assert tokens[1:] == said.tolist()


def test_the_network_hears_the_place_of_every_token() -> None:
  codec = codec_lib.load("voices")
  model = language_model.LanguageModel(
    codec.vocab_size, 6, 8, 1, cycle=codec.cycle
  )
  carry = model.zero_carry(1)
  params = model.init(jax.random.key(0), np.zeros((1, 1), np.int32), carry)
  strong = {"position": 3 * params["params"]["position"]}
  params = {"params": params["params"] | strong}
  [said] = decode.sample(
    language_model.step_params(params["params"], "float32"),
    model,
    codec,
    indices=np.array([0]),
    primers=[NONE],
    lengths=decode.Lengths(2.0, 2.0, 5.0),
    strategy=Strategy(temperature=0),
    seed=0,
  )
  assert len(said) == 64
  # All at once: where the grammar left the choice free, it was the best.
  framed = codec.framed(said)[None, :-1].astype(np.int32)
  logits, _, _ = model.apply(params, framed, carry)
  tables = grammar_lib.tables(codec)
  limits = decode.make_limits(codec, [NONE], decode.Lengths(2.0, 2.0, 5.0))
  state = grammar_lib.start(1)
  for position, token in enumerate(said.tolist()):
    mask = grammar_lib.allowed(
      *(tables, state, limits.steps, limits.tokens - position),
      *(limits.min_steps, limits.note_steps),
    )
    wished = jnp.where(mask, logits[:, position], -jnp.inf).argmax(-1)
    assert int(wished[0]) == token
    state = grammar_lib.advance(tables, state, wished)


def test_primer_is_kept_and_continued(params: dict) -> None:
  primer = np.array([376, 60, 64, 355, 188, 192], np.int16)
  pieces = sample(params, [0, 1], [primer, NONE], seconds=3.0)
  np.testing.assert_array_equal(pieces[0][: len(primer)], primer)
  assert len(pieces[0]) > len(primer)
  # The limit counts from the end of the primer, which lasts a second.
  assert 1.0 < CODEC.duration_seconds(pieces[0]) <= 4.01
  assert CODEC.duration_seconds(pieces[1]) <= 3.01


def test_primer_longer_than_a_chunk(params: dict) -> None:
  one = np.array([60, 256 + 9, 188, 256 + 9], np.int16)
  primer = np.tile(one, chunks.CHUNK // 2)
  [piece] = sample(params, [0], [primer], seconds=1.0)
  np.testing.assert_array_equal(piece[: len(primer)], primer)


def test_finished_pieces_leave_the_batch(
  params: dict, monkeypatch: pytest.MonkeyPatch
) -> None:
  # Long primers keep some pieces going while the others are done; soon after
  # these have left, the network's memory decides.
  long = np.tile(np.array([60, 188], np.int16), chunks.CHUNK // 2 - 2)
  primers = [NONE] * 17
  primers[3] = primers[11] = long
  indices = list(range(5, 22))
  # Pieces that pass little time use up their tokens.
  slow = jnp.where(jnp.asarray(CODEC.grammar.steps > 0), -3.0, 0.0)
  params = {name: 4 * array for name, array in params.items()}
  params["head_bias"] += slow
  sizes = []
  inner = decode._sample_chunk

  def count(*arguments: object) -> tuple:
    sizes.append(len(arguments[1].token))
    return inner(*arguments)

  monkeypatch.setattr(decode, "_sample_chunk", count)
  together = sample(params, indices, primers)
  assert sizes[0] == 17 and set(sizes[1:]) == {4}
  kept = sizes.copy()
  monkeypatch.setattr(chunks, "_smaller", lambda rows, left: rows)
  apart = sample(params, indices, primers)
  assert sizes[len(kept) :] == [17] * len(kept)
  for ours, theirs in zip(together, apart, strict=True):
    np.testing.assert_array_equal(ours, theirs)
  np.testing.assert_array_equal(together[3][: len(long)], long)
  assert len(together[3]) > chunks.CHUNK + 64


def test_every_row_keeps_its_own_limits() -> None:
  steps, tokens, min_steps = jnp.arange(9).reshape(3, 3)
  limits = decode.Limits(steps, tokens, min_steps, jnp.int32(7))
  taken = decode.take_limits(limits, np.array([2, 0]))
  assert taken.steps.tolist() == [2, 0]
  assert taken.tokens.tolist() == [5, 3]
  assert taken.min_steps.tolist() == [8, 6]
  assert taken.note_steps == 7


@pytest.mark.parametrize(
  ("rows", "left", "size"),
  [(256, 65, 256), (256, 64, 64), (256, 5, 16), (256, 1, 4), (8, 1, 8)],
)
def test_batches_shrink_by_quarters(rows: int, left: int, size: int) -> None:
  assert chunks._smaller(rows, left) == size


def test_ngram_goes_through_the_same_door() -> None:
  tune = np.tile(np.array([60, 256 + 49, 188, 64, 256 + 49, 192]), 8)
  pieces = [CODEC.framed(CODEC.transpose(tune, shift)) for shift in range(4)]
  model = ngram.fit(pieces, CODEC.vocab_size, CODEC.predictable, 6)

  def draw(indices: list[int], primers: list[np.ndarray]) -> list[np.ndarray]:
    return markov.sample(
      model,
      6,
      CODEC,
      indices=np.array(indices),
      primers=primers,
      lengths=decode.Lengths(4.0, 0.0, 5.0),
      strategy=Strategy(temperature=0.5),
      seed=0,
    )

  start = tune[:6].astype(np.int16)
  long = np.tile(start, chunks.CHUNK // 6)
  # The long one goes on when the others have left, and remembers its own past.
  many = draw(list(range(20, 36)), [NONE] * 8 + [long] + [NONE] * 7)
  alone = draw([28, 20], [long, NONE])
  np.testing.assert_array_equal(many[8], alone[0])
  np.testing.assert_array_equal(many[0], alone[1])
  a = draw([0, 1, 2], [NONE, NONE, start])
  b = draw([2, 9, 1], [start, NONE, NONE])
  np.testing.assert_array_equal(a[2], b[0])
  np.testing.assert_array_equal(a[1], b[2])
  np.testing.assert_array_equal(a[2][:6], tune[:6])
  for tokens in a:
    piece = CODEC.decode(tokens)
    # It has learned thirds, half a second each.
    assert set(np.diff(piece.notes["pitch"].astype(int))) <= {-4, 4, 0}
    assert set(piece.notes["duration_ticks"].tolist()) == {500}
