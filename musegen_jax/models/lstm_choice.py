"""Which way to run the LSTM is fastest, by measurement where there is one.

`lstm_table.json` is written by `python -m musegen_jax.bench --what=layer
--write_table`; a platform it knows nothing of goes by a rule.
"""

import functools
import json
import math
import pathlib

TABLE = pathlib.Path(__file__).parent / "lstm_table.json"
# Up to this B*H*H a GPU waits for the loop more than it computes, so layers
# side by side are free: one recurrent product takes under 1.5 us at the peak
# of an H200 (790 TFLOP/s bfloat16). From a model of the card, not measured.
WAVEFRONT_LIMIT = 1.5e8
# What is never chosen by itself: cuDNN cannot do all that ours can, to
# recompute is to trade time for memory, and the textbook scan does the reverse.
_ON_REQUEST = ("cudnn", "recomputed", "scan")
# What is chosen unless another was faster by more than measurements vary.
USUAL, _MARGIN = "hoisted", 0.9


def fastest(
  platform: str, layers: int, batch: int, hidden_size: int, dtype: str
) -> str:
  """The implementation for a JAX platform ("cpu", "gpu", "tpu"), sizes and the
  dtype of the products: that of the nearest measured sizes, in doublings."""
  sizes = layers, batch, hidden_size

  def distance(row: dict) -> tuple[float, ...]:
    measured = row["layers"], row["batch"], row["hidden_size"]
    doublings = (
      abs(math.log2(a / b)) for a, b in zip(measured, sizes, strict=True)
    )
    # Layers first: with one there is nothing to run side by side. Then the
    # sizes, and one order among equals, so that the file's is none.
    apart = next(doublings)
    return (apart, sum(doublings), *measured)

  rows = [row for row in _table() if row["platform"] == platform]
  rows = [row for row in rows if row["dtype"] == dtype] or rows
  if not rows:
    return _by_rule(platform, *sizes)
  times = min(rows, key=distance)["milliseconds"]
  choices = {n: t for n, t in times.items() if n not in _ON_REQUEST}
  best = min(choices, key=choices.get)
  return best if choices[best] < _MARGIN * choices[USUAL] else USUAL


@functools.cache
def _table() -> list[dict]:
  return json.loads(TABLE.read_text())


def _by_rule(platform: str, layers: int, batch: int, hidden_size: int) -> str:
  small = batch * hidden_size**2 <= WAVEFRONT_LIMIT
  if platform == "gpu" and layers > 1 and small:
    return "wavefront"
  return USUAL
