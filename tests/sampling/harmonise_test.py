"""Voices under a given soprano: exact where all can be counted, and better than
the pass from left to right."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from musegen_jax.data.codecs import codec as codec_lib
from musegen_jax.data.codecs.codec import Codec, Field, Grammar
from musegen_jax.models import language_model
from musegen_jax.sampling import block, harmonise

VOICES = 3
HOLD, REST, LOW, HIGH = range(4)
SOPRANO = np.array([HIGH, HOLD])
PIECES = 4000


def _grammar(codec: Codec) -> Grammar:
  opens = np.full(codec.vocab_size, -1, np.int32)
  closes, steps = opens.copy(), np.zeros(codec.vocab_size, np.int32)
  opens[[LOW, HIGH]], closes[REST], steps[: codec.begin] = (60, 61), -2, 1
  counts = (opens >= 0).astype(np.int32)
  return Grammar(opens, closes, steps, counts, monophonic=True, voices=VOICES)


# Three voices and two pitches: every piece of two rows can be listed.
TOY = Codec(
  name="toy",
  fields=(Field("hold", 0, 0), Field("rest", 0, 0), Field("pitch", 60, 61)),
  seconds_per_step=1.0,
  encode=lambda piece, stretch: np.zeros(0, np.int16),
  decode=lambda tokens: None,
  stretchable=False,
  make_grammar=_grammar,
  cycle=2 * VOICES,
)
MODEL = language_model.LanguageModel(TOY.vocab_size, 4, 6, 1, cycle=TOY.cycle)


@pytest.fixture(scope="module")
def params() -> dict:
  """Of a model with strong wishes, so that what follows matters."""
  tokens = jnp.zeros((1, 1), jnp.int32)
  shapes = jax.eval_shape(
    MODEL.init, jax.random.key(0), tokens, MODEL.zero_carry(1)
  )["params"]
  rng = np.random.default_rng(3)
  return jax.tree.map(
    lambda leaf: rng.normal(0, 1.2, leaf.shape).astype(np.float32), shapes
  )


def nats(
  model: language_model.LanguageModel,
  params: dict,
  codec: Codec,
  tokens: np.ndarray,
) -> np.ndarray:
  """Of pieces [B, N] and their ends, in one go."""
  framed = np.stack([codec.framed(row) for row in tokens]).astype(np.int32)
  carry = model.zero_carry(len(framed))
  logits, _, _ = model.apply({"params": params}, framed[:, :-1], carry)
  log_probs = np.asarray(jax.nn.log_softmax(logits))
  targets = framed[:, 1:, None]
  return -np.take_along_axis(log_probs, targets, 2)[:, :, 0].sum(1)


def posterior(
  params: dict, temperature: float
) -> tuple[np.ndarray, np.ndarray]:
  """All pieces [P, N] with the soprano, and their shares [P]."""
  found = []
  for below in itertools.product(range(4), repeat=2 * (VOICES - 1)):
    rows = np.column_stack([SOPRANO, np.array(below).reshape(2, -1)])
    may_hold = np.isin(rows[0], (LOW, HIGH))
    if (rows[0] != HOLD).all() and (may_hold | (rows[1] != HOLD)).all():
      found.append(rows.ravel())
  pieces = np.array(found)
  shares = np.exp(-nats(MODEL, params, TOY, pieces) / temperature)
  return pieces, shares / shares.sum()


def surprise(
  drawn: np.ndarray, pieces: np.ndarray, shares: np.ndarray
) -> float:
  """How many standard deviations the chi-square of drawn pieces [B, N] lies
  above its mean; cells with few expected are one."""
  powers = 4 ** np.arange(drawn.shape[1])
  order = np.argsort(pieces @ powers)
  at = np.searchsorted((pieces @ powers)[order], drawn @ powers)
  counts = np.bincount(order[at], minlength=len(pieces))
  assert (pieces[order[at]] == drawn).all(), "a piece that cannot be"
  expected = shares * len(drawn)
  rare = expected < 10
  counts = np.append(counts[~rare], counts[rare].sum())
  expected = np.append(expected[~rare], expected[rare].sum())
  chi_square = ((counts - expected) ** 2 / np.maximum(expected, 1e-9)).sum()
  freedom = len(counts) - 1
  return (chi_square - freedom) / np.sqrt(2 * freedom)


def draw(params: dict, **changes: object) -> tuple[np.ndarray, np.ndarray]:
  defaults = {
    "indices": np.arange(PIECES),
    "sweeps": 24,
    "temperature": 1.0,
    "seed": 0,
    "candidates": 4,
  }
  return harmonise.harmonise(
    language_model.step_params(params, "float32"),
    MODEL,
    TOY,
    SOPRANO,
    **(defaults | changes),
  )


@pytest.mark.parametrize("temperature", [1.0, 0.6])
def test_sweeps_draw_from_the_posterior(
  params: dict, temperature: float
) -> None:
  pieces, shares = posterior(params, temperature)
  before, after = draw(params, temperature=temperature)
  assert len(pieces) == 121
  # The pass from left to right is far from it, so the test can fail.
  assert surprise(before, pieces, shares) > 20
  assert surprise(after, pieces, shares) < 4
  was, now = (nats(MODEL, params, TOY, each) for each in (before, after))
  expected = (shares * nats(MODEL, params, TOY, pieces)).sum()
  assert (
    now.mean() == pytest.approx(expected, rel=0.02) and expected < was.mean()
  )


@pytest.mark.parametrize(
  ("start", "stop", "free"),
  [
    (0, 6, [0, 1, 1]),
    (0, 3, [0, 1, 1]),
    (3, 6, [0, 1, 1]),
    (0, 6, [0, 0, 1]),
    (0, 3, [0, 1, 0]),
  ],
)
def test_a_block_leaves_the_posterior_as_it_is(
  params: dict, start: int, stop: int, free: list[int]
) -> None:
  pieces, shares = posterior(params, 1.0)
  rng = np.random.default_rng(0)
  drawn = pieces[rng.choice(len(pieces), PIECES, p=shares)]
  ready = language_model.step_params(params, "float32")
  path = block.begin(MODEL, TOY, PIECES)
  tokens = np.full((16, PIECES), TOY.pad, np.int32)
  tokens[:6], tokens[6] = drawn.T, TOY.end

  def resample(
    tokens: jax.Array, path: block.Path, stretch: block.Block
  ) -> tuple[jax.Array, block.Path]:
    return block.resample(
      ready,
      block.rules(TOY),
      tokens,
      path,
      stretch,
      jnp.asarray(rng.random((8, PIECES, 3), np.float32)),
      jnp.asarray(rng.random(PIECES, np.float32)),
      temperature=jnp.float32(1),
      keep=jnp.int32(1),
    )

  tokens = jnp.asarray(tokens)
  if start:
    # Nothing is free: only to come to the block.
    nothing = np.zeros(VOICES, bool)
    tokens, path = resample(tokens, path, block.Block(0, start, 7, nothing))
    np.testing.assert_array_equal(tokens[:6].T, drawn)
  chosen = block.Block(start, stop, 7, np.array(free, bool))
  tokens, _ = resample(tokens, path, chosen)
  after = np.asarray(tokens[:6].T)
  moved = (after != drawn).any(0)
  inside = np.zeros(6, bool)
  inside[start:stop] = np.tile(np.array(free, bool), 2)[start:stop]
  np.testing.assert_array_equal(moved, inside)
  assert surprise(after, pieces, shares) < 4


def test_a_piece_depends_on_its_number_and_the_seed_alone(
  params: dict,
) -> None:
  together = draw(params, indices=np.array([0, 1, 2, 17]), sweeps=3)[1]
  elsewhere = draw(params, indices=np.array([17, 5, 6, 1]), sweeps=3)[1]
  np.testing.assert_array_equal(together[3], elsewhere[0])
  np.testing.assert_array_equal(together[1], elsewhere[3])
  other = draw(params, indices=np.array([0, 1, 2, 17]), sweeps=3, seed=1)[1]
  assert (together != other).any()


CHORALE = codec_lib.load("voices")
SCALE = CHORALE.offsets["pitch"] + np.array([32, 34, 36, 37, 39])
OCTAVE = 12


def foretold(rng: np.random.Generator, pieces: int, rows: int) -> np.ndarray:
  """Chorales [B, rows * 4] whose alto sings, an octave below, what the soprano
  will sing next; tenor and bass hold."""
  soprano = rng.choice(SCALE, (pieces, rows + 1))
  tokens = np.full((pieces, rows, 4), CHORALE.offsets["hold"])
  tokens[:, :, 0], tokens[:, :, 1] = soprano[:, :-1], soprano[:, 1:] - OCTAVE
  tokens[:, 0, 2:] = CHORALE.offsets["pitch"]
  return tokens.reshape(pieces, -1)


def trained() -> tuple[language_model.LanguageModel, dict]:
  model = language_model.LanguageModel(
    CHORALE.vocab_size, 16, 32, 1, cycle=CHORALE.cycle
  )
  one = jnp.zeros((1, 1), jnp.int32)
  params = model.init(jax.random.key(0), one, model.zero_carry(1))["params"]
  tx = optax.adam(1e-2)

  @jax.jit
  def step(params: dict, state: tuple, framed: jax.Array) -> tuple:
    def loss(params: dict) -> jax.Array:
      carry = model.zero_carry(len(framed))
      logits, _, _ = model.apply({"params": params}, framed[:, :-1], carry)
      nll = optax.softmax_cross_entropy_with_integer_labels
      return nll(logits, framed[:, 1:]).mean()

    updates, state = tx.update(jax.grad(loss)(params), state)
    return optax.apply_updates(params, updates), state

  rng, state = np.random.default_rng(0), tx.init(params)
  for _ in range(300):
    rows = foretold(rng, 32, 12)
    framed = np.stack([CHORALE.framed(row) for row in rows]).astype(np.int32)
    params, state = step(params, state, framed)
  return model, params


def test_sweeps_see_ahead_where_a_pass_from_left_to_right_cannot() -> None:
  model, params = trained()
  soprano = foretold(np.random.default_rng(1), 1, 12)[0, ::4]
  before, after = harmonise.harmonise(
    language_model.step_params(params, "float32"),
    model,
    CHORALE,
    soprano,
    indices=np.arange(6),
    sweeps=30,
    temperature=1.0,
    seed=0,
  )
  share = []
  for tokens in (before, after):
    np.testing.assert_array_equal(tokens[:, ::4], np.tile(soprano, (6, 1)))
    for row in tokens:
      # Nothing is held that does not sound: no token is dropped on the way.
      assert len(CHORALE.decode(row).notes) == CHORALE.note_count(row)
    alto = tokens[:, 1:-4:4] + OCTAVE
    share.append((alto == soprano[None, 1:]).mean())
  assert share[0] < 0.3 and share[1] > 0.75
  was, now = (nats(model, params, CHORALE, each) for each in (before, after))
  assert (now < was).all()


def test_blocks_cover_the_piece_once_a_sweep() -> None:
  for seed in range(20):
    rng = np.random.default_rng(seed)
    found = list(harmonise.blocks(rng, 45, 4, 10))
    covered = [range(each.start, each.stop) for each in found]
    assert list(itertools.chain(*covered)) == list(range(45 * 4))
    for each in found:
      assert each.stop - each.start <= 4 * max(harmonise.BLOCK_ROWS)
      # The end is heard where it is near enough.
      heard = each.stop + 40
      assert each.last == (heard if heard < 180 else 181)
      assert not each.free[0] and each.free.sum() in (1, 3)


def test_temperature_falls_to_its_last_value() -> None:
  found = [harmonise.sweep_temperature(n, 10, 0.5) for n in range(10)]
  assert found[0] == 0.5 * harmonise.FIRST_TEMPERATURE > 0.5
  assert found[5:] == [0.5] * 5 and sorted(found, reverse=True) == found
  assert harmonise.sweep_temperature(0, 1, 0.5) == 0.5
