"""One evaluation: a trained language model beside the n-gram baselines."""

import dataclasses
import functools
from collections.abc import Callable, Iterable

import jax
import numpy as np

from musegen_jax import config as config_lib
from musegen_jax.data import corpus, shards, windows
from musegen_jax.data.codecs import codec as codec_lib
from musegen_jax.errors import UserError
from musegen_jax.evaluation import (
  baselines,
  latent_space,
  likelihood,
  table,
  voice_baselines,
  window_likelihood,
)
from musegen_jax.evaluation.likelihood import Scores
from musegen_jax.models import language_model

# Tokens, in all transpositions, that n-grams of windows are fitted on at most:
# windows overlap, and so do not say much more when there are more of them.
BASELINE_TOKENS = 20_000_000


@dataclasses.dataclass(frozen=True)
class Source:
  """What a language model is scored on, in units: pieces or windows.

  Attributes:
    encode: split -> its units as a corpus, for the n-grams.
    pieces: the units of the split that is scored.
    score: the network's scores of those units.
    unit_piece: [P], the piece that each of them is, or is part of.
    skipped: what was left out, by reason.
  """

  encode: Callable[[str], corpus.Corpus]
  pieces: corpus.Corpus
  score: Callable[[], Scores]
  unit_piece: np.ndarray
  skipped: dict[str, int]


def codec_of(meta: dict) -> codec_lib.Codec:
  """The codec of a checkpoint; raises UserError where it has changed."""
  data = config_lib.from_dict(meta["config"]).data
  codec = codec_lib.of(data.codec, data.steps_per_beat)
  if codec.vocabulary_hash != meta["vocabulary_hash"]:
    raise UserError(
      f"codec {codec.name!r} has changed since this checkpoint was written;"
      " use the version that trained it"
    )
  return codec


def count_parameters(params: dict) -> int:
  """Numbers in a tree of parameters."""
  return sum(leaf.size for leaf in jax.tree.leaves(params))


def evaluate(
  params: dict, meta: dict, split: str, data_dir: str, baseline: bool
) -> dict:
  """Scores a checkpoint on one split, by pieces or by windows as it was
  trained.

  Args:
    params: of the checkpoint.
    meta: of the checkpoint.
    split: train, valid or test.
    data_dir: of the pieces; empty for the run's own.
    baseline: whether to fit and score the n-grams too.

  Returns:
    JSON with the rows and what they were measured on.
  """
  config, codec = config_lib.from_dict(meta["config"]), codec_of(meta)
  dataset = shards.open_dataset(data_dir or config.data.data_dir)
  of_unit = _windows if config.data.unit == "window" else _pieces
  source = of_unit(params, config, codec, dataset, split)
  pieces = source.pieces
  scores = {"LSTM": source.score()}
  if baseline:
    semitones = config.data.transpose_semitones
    scores |= _baselines(source, codec, semitones, config.data.unit)
  by_unit = table.sizes(pieces, codec)

  def per_piece(values: np.ndarray) -> np.ndarray:
    return window_likelihood.per_piece(values, source.unit_piece)

  def gathered(parts: Scores | table.Sizes) -> dict[str, np.ndarray]:
    return {name: per_piece(part) for name, part in vars(parts).items()}

  sizes = table.Sizes(**gathered(by_unit))
  lstm, *_ = rows = [
    (name, Scores(**gathered(each))) for name, each in scores.items()
  ]
  result = {
    "split": split,
    "codec": codec.name,
    "data_fingerprint": dataset.index["fingerprint"],
    "same_data": dataset.index["fingerprint"] == meta["data_fingerprint"],
    "pieces": len(sizes.notes),
    "events": int(lstm[1].events.sum()),
    "notes": int(sizes.notes.sum()),
    "seconds": float(sizes.seconds.sum()),
    "skipped": source.skipped,
    "averaging": table.AVERAGING,
    "parameters": count_parameters(params),
    "rows": [table.row(name, each, sizes) for name, each in rows],
    "gains": [
      table.gain(name, lstm[1], each, sizes) for name, each in rows[1:]
    ],
  }
  if config.data.unit == "window":
    result["windows"] = len(pieces)
  elif codec.grammar.voices > 1:
    result["voices"] = _voice_rows(params, config, codec, source, baseline)
  return result


def make_encode(
  config: config_lib.Config, codec: codec_lib.Codec, dataset: shards.Dataset
) -> Callable[[str], corpus.Corpus]:
  """split -> the pieces or the windows that n-grams beside a language model of
  that config are fitted on."""
  if config.data.unit != "window":
    return functools.partial(
      corpus.encode_split,
      dataset,
      codec=codec,
      shuffle_seed=config.shuffle_seed,
    )
  length, limit = config.train.window, config.data.windows_per_piece
  variants = 2 * config.data.transpose_semitones + 1
  most = BASELINE_TOKENS // (length * variants)

  def encode(split: str) -> corpus.Corpus:
    every = windows.encode_split(dataset, split, codec, length, limit).tokens
    return framed(every[latent_space.evenly(len(every), most)], codec)

  return encode


def _pieces(
  params: dict,
  config: config_lib.Config,
  codec: codec_lib.Codec,
  dataset: shards.Dataset,
  split: str,
) -> Source:
  encode = make_encode(config, codec, dataset)
  pieces = encode(split)
  model = language_model.from_config(config.model, codec)

  def score() -> Scores:
    by_device = [jax.device_put(params, d) for d in jax.local_devices()]
    return likelihood.score(model, by_device, pieces, codec, progress=True)

  return Source(encode, pieces, score, np.arange(len(pieces)), pieces.skipped)


def _windows(
  params: dict,
  config: config_lib.Config,
  codec: codec_lib.Codec,
  dataset: shards.Dataset,
  split: str,
) -> Source:
  length, limit = config.train.window, config.data.windows_per_piece
  scored = windows.encode_split(dataset, split, codec, length, limit)
  encode = make_encode(config, codec, dataset)
  model = language_model.from_config(config.model, codec)

  def score() -> Scores:
    return window_likelihood.score(model, params, scored.tokens, codec)

  pieces = framed(scored.tokens, codec)
  return Source(encode, pieces, score, scored.piece, scored.skipped)


def framed(
  tokens: Iterable[np.ndarray], codec: codec_lib.Codec
) -> corpus.Corpus:
  """Windows [W, T] as pieces of a corpus: begin, then the steps that are not
  pad. They have no end: a window is cut, not finished."""
  pieces = [
    np.append(codec.begin, row[row != codec.pad]).astype(np.int16)
    for row in tokens
  ]
  return corpus.from_pieces(pieces, [{}] * len(pieces), {})


def _voice_rows(
  params: dict,
  config: config_lib.Config,
  codec: codec_lib.Codec,
  source: Source,
  baseline: bool,
) -> list[dict]:
  model = language_model.from_config(config.model, codec)
  own = voice_baselines.score_network(model, params, source.pieces, codec)
  rows = [voice_baselines.row("LSTM", own)]
  if baseline:
    semitones = config.data.transpose_semitones
    train, valid = source.encode("train"), source.encode("valid")
    chains = voice_baselines.fit(train, valid, codec, semitones)
    for name, shares in chains.items():
      scores = voice_baselines.score(shares, source.pieces, codec)
      rows.append(voice_baselines.row(name, scores))
  return rows


def _baselines(
  source: Source, codec: codec_lib.Codec, semitones: int, unit: str
) -> dict[str, Scores]:
  valid = source.encode("valid")
  unigram, best = baselines.fit(source.encode("train"), valid, codec, semitones)
  cache = baselines.fit_cache(unigram, valid, codec)
  return {
    unigram.name: baselines.score(unigram, source.pieces),
    f"unigram adapting to the {unit}": baselines.score_cache(
      cache, source.pieces
    ),
    best.name: baselines.score(best, source.pieces),
  }
