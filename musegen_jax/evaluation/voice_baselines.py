"""Nats a note of interleaved voices, beside Markov chains of each voice alone.

A note here is a token of one voice: what it does in one sixteenth, `hold` and
`rest` included, the end of the piece not. The chains are the usual bar for
chorales in sixteenths: the share of a token; its share after what the voice
sounded before (a stricter condition than the token before, which mostly is
`hold`); and that for each sixteenth of a beat. Each table is smoothed towards
the one before, the first towards equal shares, by so many notes as are best on
the validation split, which also decides whether the training pieces are counted
in the transpositions the network saw.

Letters: P pieces, S voices, F sixteenths a beat, V tokens of the score.
"""

import dataclasses
import itertools
from collections.abc import Sequence

import jax
import numpy as np

from musegen_jax.data.codecs import voices
from musegen_jax.data.codecs.codec import Codec
from musegen_jax.data.corpus import Corpus
from musegen_jax.evaluation import baselines, bootstrap, likelihood, markdown
from musegen_jax.models.language_model import LanguageModel

NAMES = ("unigram of each voice", "bigram", "bigram x sixteenth of the beat")
WEIGHTS = (0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0)
PROTOCOL = (
  "nats a note: a note is a token of one voice in one sixteenth, hold and rest"
  " included, the end not; pooled over the pieces of this project's own split,"
  " which is not the 229/76/77 of the published figures; Markov chains of each"
  " voice alone, given what it sounded; intervals as above"
)


@dataclasses.dataclass(frozen=True)
class VoiceScores:
  """Sums per piece and voice, float64 [P, S] each: nats, and notes."""

  nll: np.ndarray
  notes: np.ndarray


def _cells(piece: np.ndarray, codec: Codec) -> tuple[np.ndarray, ...]:
  """Voice, sixteenth of the beat, token sounded before and token, [N] each, of
  a framed piece of N + 2 tokens; before the first note a voice rests."""
  grammar, count = codec.grammar, codec.grammar.voices
  holds = (grammar.opens < 0) & (grammar.closes == -1)
  rows = piece[1:-1].reshape(-1, count).astype(np.int64)
  start = np.full((1, count), (grammar.closes == -2).argmax())
  said = np.concatenate([start, rows[:-1]])
  steps = np.arange(len(rows))[:, None]
  last = np.maximum.accumulate(np.where(holds[said], 0, steps), axis=0)
  before = np.take_along_axis(said, last, axis=0)
  voice = np.broadcast_to(np.arange(count)[None, :], rows.shape)
  phase = np.broadcast_to(steps % (codec.cycle // count), rows.shape)
  return tuple(each.ravel() for each in (voice, phase, before, rows))


def count(pieces: Sequence[np.ndarray], codec: Codec) -> np.ndarray:
  """How often each token was said: float64 [S, F, V, V], by voice, sixteenth,
  what was sounded before, and token."""
  voice_count, size = codec.grammar.voices, codec.begin
  shape = (voice_count, codec.cycle // voice_count, size, size)
  total = np.zeros(int(np.prod(shape)))
  for piece in pieces:
    at = np.ravel_multi_index(_cells(piece, codec), shape)
    total += np.bincount(at, minlength=len(total))
  return total.reshape(shape)


def smoothed(
  counts: np.ndarray, below: np.ndarray, weight: float
) -> np.ndarray:
  """Shares [..., V] of counts [..., V], with `weight` notes more that fall as
  the shares `below`, of a shape that broadcasts, say."""
  total = counts.sum(-1, keepdims=True)
  return (counts + weight * below) / (total + weight)


def tables(
  counts: np.ndarray, weights: Sequence[float]
) -> tuple[np.ndarray, ...]:
  """The shares of each of NAMES, [S, F, V, V] or what broadcasts to it, with
  the first weights given."""
  by_order = (
    counts.sum((1, 2), keepdims=True),
    counts.sum(1, keepdims=True),
    counts,
  )
  shares, found = np.full(counts.shape[-1], 1 / counts.shape[-1]), []
  for of_order, weight in zip(by_order, weights, strict=False):
    shares = smoothed(of_order, shares, weight)
    found.append(shares)
  return tuple(found)


def score(shares: np.ndarray, corpus: Corpus, codec: Codec) -> VoiceScores:
  """Scores every piece with one of `tables`."""
  voice_count, size = codec.grammar.voices, codec.begin
  shape = (voice_count, codec.cycle // voice_count, size, size)
  shares = np.broadcast_to(shares, shape)
  nll, notes = np.zeros((2, len(corpus), voice_count))
  for index in range(len(corpus)):
    cells = _cells(corpus.piece(index), codec)
    nll[index] = np.bincount(cells[0], -np.log(shares[cells]))
    notes[index] = np.bincount(cells[0])
  return VoiceScores(nll, notes)


def fit(
  train: Corpus, valid: Corpus, codec: Codec, semitones: int
) -> dict[str, np.ndarray]:
  """The tables of NAMES, with what is best for each on the validation split."""
  plain = [train.piece(index) for index in range(len(train))]
  variants = {"": plain}
  if semitones:
    moved = baselines.augmented(train, codec, semitones)
    variants[f", transposed ±{semitones}"] = moved
  on_valid = count([valid.piece(i) for i in range(len(valid))], codec)
  chosen = {}
  counted = {name: count(pieces, codec) for name, pieces in variants.items()}
  for order, name in enumerate(NAMES):
    best = np.inf
    for (suffix, counts), weights in itertools.product(
      counted.items(), itertools.product(WEIGHTS, repeat=order + 1)
    ):
      shares = tables(counts, weights)[order]
      total = -(on_valid * np.log(shares)).sum()
      if total < best:
        best, found = total, (f"{name}{suffix}", shares)
    chosen |= [found]
  return chosen


def score_network(
  model: LanguageModel, params: dict, corpus: Corpus, codec: Codec
) -> VoiceScores:
  """Scores every piece with a language model."""
  nll, notes = np.zeros((2, len(corpus), codec.grammar.voices))
  every = np.arange(len(corpus))
  on_device = [jax.device_put(params)]
  found = likelihood.token_scores(model, on_device, corpus, codec, every)
  for index, nats, _ in found:
    by_voice = nats[:-1].reshape(-1, codec.grammar.voices)
    nll[index], notes[index] = by_voice.sum(0), len(by_voice)
  return VoiceScores(nll, notes)


def row(name: str, scores: VoiceScores) -> dict:
  """Nats a note of one model: pooled as [value, low, high], and by voice."""
  nll, notes = scores.nll.sum(1), scores.notes.sum(1)
  of_voice = scores.nll.sum(0) / scores.notes.sum(0)
  return {
    "model": name,
    "nats_per_note": [
      float(nll.sum() / notes.sum()),
      *bootstrap.ratio_interval(nll, notes),
    ],
    "by_voice": dict(zip(voices.VOICES, of_voice.tolist(), strict=True)),
  }


def table(rows: list[dict]) -> list[str]:
  """The rows as lines of text."""
  cells = []
  for each in rows:
    value, low, high = each["nats_per_note"]
    of_voice = (f"{nats:.4f}" for nats in each["by_voice"].values())
    pooled = f"{value:.4f} [{low:.4f}, {high:.4f}]"
    cells.append([each["model"], pooled, *of_voice])
  titles = ["model", "nats/note", *voices.VOICES]
  return [PROTOCOL, *markdown.table(titles, cells)]
