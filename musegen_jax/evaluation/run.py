"""One evaluation: a trained model beside the n-gram baselines."""

import jax

from musegen_jax import config as config_lib
from musegen_jax.data import corpus, shards
from musegen_jax.data.codecs import codec as codec_lib
from musegen_jax.errors import UserError
from musegen_jax.evaluation import baselines, likelihood, table
from musegen_jax.models import language_model


def evaluate(
  params: dict, meta: dict, split: str, data_dir: str, baseline: bool
) -> dict:
  """Scores a checkpoint on one split.

  Args:
    params: of the checkpoint.
    meta: of the checkpoint.
    split: train, valid or test.
    data_dir: of the pieces; empty for the run's own.
    baseline: whether to fit and score the n-grams too.

  Returns:
    JSON with the rows and what they were measured on.
  """
  config = config_lib.from_dict(meta["config"])
  codec = codec_lib.load(config.data.codec)
  if codec.vocabulary_hash != meta["vocabulary_hash"]:
    raise UserError(
      f"codec {codec.name!r} has changed since this checkpoint was written;"
      " use the version that trained it"
    )
  dataset = shards.open_dataset(data_dir or config.data.data_dir)

  def encode(name: str) -> corpus.Corpus:
    return corpus.encode_split(
      dataset, name, codec, shuffle_seed=config.shuffle_seed
    )

  pieces = encode(split)
  sizes = table.sizes(pieces, codec)
  model = language_model.from_config(config.model, codec)
  by_device = [jax.device_put(params, d) for d in jax.local_devices()]
  scores = likelihood.score(model, by_device, pieces, codec, progress=True)
  others: dict[str, likelihood.Scores] = {}
  if baseline:
    valid = encode("valid")
    unigram, best = baselines.fit(
      encode("train"), valid, codec, config.data.transpose_semitones
    )
    cache = baselines.fit_cache(unigram, valid, codec)
    others = {
      unigram.name: baselines.score(unigram, pieces),
      "unigram adapting to the piece": baselines.score_cache(cache, pieces),
      best.name: baselines.score(best, pieces),
    }
  rows = {"LSTM": scores} | others
  return {
    "split": split,
    "codec": codec.name,
    "data_fingerprint": dataset.index["fingerprint"],
    "same_data": dataset.index["fingerprint"] == meta["data_fingerprint"],
    "pieces": len(pieces),
    "events": int(scores.events.sum()),
    "notes": int(sizes.notes.sum()),
    "seconds": float(sizes.seconds.sum()),
    "skipped": pieces.skipped,
    "averaging": table.AVERAGING,
    "parameters": sum(leaf.size for leaf in jax.tree.leaves(params)),
    "rows": [table.row(name, each, sizes) for name, each in rows.items()],
    "gains": [
      table.gain(name, scores, each, sizes) for name, each in others.items()
    ],
  }
