"""Excerpts as trained models of this comparison hear them.

Letters: N excerpts, W windows at once, E dimensions.
"""

from collections.abc import Sequence

import numpy as np

from musegen_jax.comparison import likelihoods
from musegen_jax.comparison.entries import Entry
from musegen_jax.comparison.hearing import Excerpt, Hearing
from musegen_jax.comparison.likeness import Space
from musegen_jax.comparison.systems import Run
from musegen_jax.evaluation import embedding
from musegen_jax.models import language_model


def spaces(
  entries: Sequence[Entry], reference: list[Excerpt], hearing: Hearing
) -> dict[str, Space]:
  """The embeddings of the first LSTM and of the first VAE that hear music as
  all of it is heard, the same for all rows."""
  found = {}
  for entry in entries:
    if entry.kind in found or not entry.model:
      continue
    run = entry.model.runs[0]
    if entry.kind == "frames" or likelihoods.reason_against(run, hearing):
      continue
    found[entry.kind] = Space(
      f"embeddings of {entry.name}",
      {
        other.name: [embed(run, d.excerpts, hearing) for d in other.drawn]
        for other in entries
      },
      embed(run, reference, hearing),
    )
  return found


def embed(run: Run, excerpts: list[Excerpt], hearing: Hearing) -> np.ndarray:
  """float32 [N, E]: a VAE's posterior means, an LSTM's mean outputs."""
  codec, width = hearing.codec, embedding.WINDOWS
  if hearing.window:
    _, encode = embedding.window_encoder(run.params, run.config, codec)
    tokens = hearing.stack(excerpts)
    parts = [
      encode(tokens[start : start + width])
      for start in range(0, len(tokens), width)
    ]
    return np.concatenate(parts)
  model = language_model.from_config(run.config.model, codec)
  pieces = [({"path": str(n)}, e.piece) for n, e in enumerate(excerpts)]
  means: dict[int, list[np.ndarray]] = {}
  for rows, vectors in embedding.embed_stretches(
    run.params,
    model,
    codec,
    pieces,
    run.config.train.window,
    embedding.LeftOut(),
  ):
    for row, vector in zip(rows, vectors, strict=True):
      means.setdefault(int(row["path"]), []).append(vector)
  return np.array([np.mean(each, axis=0) for each in means.values()])
