"""--what=sample: sampling as the sampler does it, beside loops in torch.

Letters: T tokens a piece, B pieces.
"""

import math

import jax.numpy as jnp
import numpy as np

from musegen_jax import config as config_lib
from musegen_jax.data.codecs import codec as codec_lib
from musegen_jax.data.codecs.codec import Codec
from musegen_jax.models import language_model
from musegen_jax.sampling import decode, strategies
from musegen_jax.speed import peers, report
from musegen_jax.speed.machine import Limits
from musegen_jax.speed.sizes import Sizes
from musegen_jax.speed.timing import Race, Settings, attempt
from musegen_jax.training import task

OURS = "ours"
CODEC = "performance"
# Added to the logits of time: pieces then use up their tokens, the same number
# each, as random weights would otherwise end them anywhere.
_NO_TIME = -30.0


def sizes(platform: str) -> list[Sizes]:
  """What the issue asks for on a platform."""
  if platform == "cpu":
    return [Sizes(3, 256, 512, batch, 256) for batch in (1, 64)]
  return [Sizes(3, 256, 512, batch, 512, "bfloat16") for batch in (1, 64, 256)]


class Sampler:
  """Our sampler with random weights; each call draws B new pieces.

  Attributes:
    pieces: B arrays of tokens that the last call drew.
  """

  def __init__(self, sizes: Sizes) -> None:
    self._codec = codec_lib.load(CODEC)
    model = config_lib.Model(
      embedding_size=sizes.width,
      hidden_size=sizes.hidden_size,
      layers=sizes.layers,
      dtype=sizes.dtype,
    )
    self._model = language_model.from_config(model, self._codec)
    self._params = _params(self._model, self._codec)
    self._sizes = sizes
    self._seed = 0
    self.pieces: list[np.ndarray] = []

  def __call__(self) -> None:
    batch, steps = self._sizes.batch, self._sizes.steps
    seconds = steps / decode.MAX_TOKENS_PER_SECOND
    self._seed += 1
    self.pieces = decode.sample(
      self._params,
      self._model,
      self._codec,
      indices=np.arange(batch),
      primers=[np.zeros(0, np.int16)] * batch,
      lengths=decode.Lengths(seconds, seconds, seconds),
      strategy=strategies.Strategy(),
      seed=self._seed,
    )


def _params(
  model: language_model.LanguageModel, codec: Codec
) -> language_model.StepParams:
  params = task.draw_params(model, 0, method="params")
  passes_time = jnp.asarray(codec.grammar.steps > 0)
  bias = jnp.where(passes_time, _NO_TIME, params["head_bias"])
  return language_model.step_params(params | {"head_bias": bias}, model.dtype)


def race(settings: Settings, limits: Limits, sizes: Sizes) -> Race:
  """Ours, then torch's loops over as many tokens."""
  ours = Sampler(sizes)
  ours()
  vocab_size = codec_lib.load(CODEC).vocab_size
  # With the end, which a piece is returned without.
  said = sum(len(piece) + 1 for piece in ours.pieces)
  done = Sizes(
    sizes.layers,
    sizes.width,
    sizes.hidden_size,
    sizes.batch,
    math.ceil(said / sizes.batch),
    sizes.dtype,
  )
  calls, absent = {OURS: ours}, {}
  torch, why = peers.torch_peers(settings.platform)
  if torch is None:
    absent["torch"] = why
  else:
    calls |= torch.sampling_loops(settings, done, vocab_size)
  itemsize = jnp.dtype(sizes.dtype).itemsize
  read = sizes.weights - 4 * sizes.hidden_size * sizes.width
  read += sizes.hidden_size * vocab_size
  seconds, failed = attempt(calls, settings)
  return Race(
    done.name,
    seconds,
    OURS,
    absent | failed,
    tokens=done.tokens,
    flops=done.sampling_flops(vocab_size),
    gemm=limits.gemm[sizes.dtype],
    # The first layer's matrix is folded into a table of which a row is read.
    traffic=float(read * itemsize * done.steps),
    bandwidth=limits.bandwidth,
  )


def run(
  settings: Settings, limits: Limits, chosen: list[Sizes]
) -> report.Section:
  """The section of all sizes."""
  about = (
    "Sampling of whole pieces by sampling/decode.py, grammar and all, with"
    " random weights; torch draws as many tokens by multinomial, without a"
    " grammar. Traffic is one reading of our weights for each step: at B1 the"
    " share of bandwidth shows the distance from the limit, else that of GEMM;"
    " above 100 % weights come from a cache."
  )
  races = [race(settings, limits, sizes) for sizes in chosen]
  notes = report.gpu_notes(settings.platform)
  return report.of_races("sample", about, races, notes)
