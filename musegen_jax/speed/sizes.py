"""Sizes of what is measured, and the work they stand for.

Letters: T steps, B batch, D input width, H LSTM units, L layers, V vocabulary.
"""

import dataclasses


@dataclasses.dataclass(frozen=True)
class Sizes:
  """One stack of LSTM layers on one batch.

  Attributes:
    layers: L.
    width: D, of what the first layer hears.
    hidden_size: H.
    batch: B.
    steps: T.
    dtype: of the matrix products.
  """

  layers: int
  width: int
  hidden_size: int
  batch: int
  steps: int
  dtype: str = "float32"

  @property
  def name(self) -> str:
    """As it stands in a table."""
    return (
      f"{self.layers}x{self.hidden_size} D{self.width} B{self.batch}"
      f" T{self.steps} {self.dtype}"
    )

  @property
  def tokens(self) -> int:
    """Of one batch."""
    return self.batch * self.steps

  @property
  def weights(self) -> int:
    """Entries of all input and recurrent matrices."""
    upper = (self.layers - 1) * 2 * self.hidden_size
    return 4 * self.hidden_size * (self.width + self.hidden_size + upper)

  def layer_flops(self) -> float:
    """Of the layers' products, forward and backward: each weight multiplies
    and adds once for a token forward, twice backward."""
    return 6.0 * self.weights * self.tokens

  def language_flops(self, vocab_size: int) -> float:
    """The same with the head of V logits: the textbook's model FLOPs, whatever
    an implementation saves of them."""
    return 6.0 * (self.weights + self.hidden_size * vocab_size) * self.tokens

  def sampling_flops(self, vocab_size: int) -> float:
    """Forward alone, for each token of the batch's T steps."""
    return 2.0 * (self.weights + self.hidden_size * vocab_size) * self.tokens
