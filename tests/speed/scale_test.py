"""What is said of an axis follows from its figures."""

from musegen_jax.speed import machine, scale, timing
from musegen_jax.speed.sizes import Sizes

SIZES = Sizes(1, 4, 4, 2, 4)
BATCH = scale.Axis("batch", False, {1: SIZES, 2: SIZES})


def point(value: int, cost: float, gemm: float, read: float) -> scale.Point:
  return scale.Point(value, 1.0, 1.0, cost, gemm, read)


def test_a_level_cost_is_linear() -> None:
  points = [point(1, 12.0, 0.7, 0.1), point(2, 10.0, 0.8, 0.1)]
  assert scale.explain(BATCH, points) == (
    "Batch: cheapest at 2, 10 ns a token, 80% of the GEMM rate; linear over"
    " the whole range, within a quarter of that."
  )


def test_a_dear_end_is_named_with_its_cause() -> None:
  bound = [point(1, 30.0, 0.2, 0.9), point(2, 10.0, 0.8, 0.1)]
  said = scale.explain(BATCH, bound)
  assert "at 2. At 1 the cost is 3.0 times as high" in said
  assert "takes 90% of the bandwidth, and that is the limit" in said
  idle = [point(1, 30.0, 0.2, 0.1), point(2, 10.0, 0.8, 0.1)]
  assert "the fixed cost of each operation" in scale.explain(BATCH, idle)


def test_cost_and_shares_are_those_of_the_fastest_round() -> None:
  settings = timing.Settings(rounds=1, cores=2, platform="cpu")
  limits = machine.Limits({"float32": 1e12}, 1e12)
  axis = scale.Axis("batch", False, {2: SIZES})
  [found], absent = scale.measure(axis, settings, limits)
  assert not absent and found.value == 2
  assert found.cost * SIZES.tokens == found.fastest * 1e9
  read = 2 * 4 * SIZES.weights * SIZES.steps
  assert found.bandwidth == read / found.fastest / 1e12
