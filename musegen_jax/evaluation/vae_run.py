"""One evaluation of a VAE, beside a language model of the same windows."""

from typing import Any

import numpy as np

from musegen_jax import config as config_lib
from musegen_jax.data import shards, windows
from musegen_jax.data.codecs.codec import Codec
from musegen_jax.errors import UserError
from musegen_jax.evaluation import (
  attribute_checks,
  collapse,
  hole,
  interpolation,
  latent_space,
  run,
  vae_figures,
  vae_table,
)
from musegen_jax.evaluation.vae_figures import SEED, Scored
from musegen_jax.models import language_model, vae

# Most windows of a split that are scored, evenly spread.
MAX_WINDOWS = 10_000


def check_peer(meta: dict, peer_meta: dict) -> None:
  """Raises UserError unless the peer is a language model of such windows."""
  config, other = (
    config_lib.from_dict(each["config"]) for each in (meta, peer_meta)
  )
  wanted = {
    "model.kind": ("lstm", other.model.kind),
    "data.unit": ("window", other.data.unit),
    "train.window": (config.train.window, other.train.window),
    "the codec's vocabulary": (
      f"{config.data.codec} {meta['vocabulary_hash']}",
      f"{other.data.codec} {peer_meta['vocabulary_hash']}",
    ),
    "the data's fingerprint": (
      meta["data_fingerprint"],
      peer_meta["data_fingerprint"],
    ),
  }
  for name, (own, its) in wanted.items():
    if own != its:
      raise UserError(
        f"--lstm does not fit this VAE: {name} is {its}, not {own}; train one"
        " with the VAE's config and --config.model.kind=lstm"
      )


def evaluate(
  loaded: latent_space.Checkpoint,
  split: str,
  data_dir: str,
  peer: latent_space.Checkpoint | None,
  *,
  latent: bool | None,
  bound_windows: int,
) -> dict:
  """Scores a checkpoint on one split.

  Args:
    loaded: the VAE.
    split: train, valid or test.
    data_dir: of the pieces; empty for the run's own.
    peer: a language model of the same windows, or None.
    latent: whether to look at the latent space too: prior, interpolation and
      attribute vectors; None on the test split alone.
    bound_windows: most windows of the bound with 64 samples.

  Returns:
    JSON with all figures and what they were measured on.
  """
  meta = loaded.meta
  config = config_lib.from_dict(meta["config"])
  codec = run.codec_of(meta)
  if peer:
    check_peer(meta, peer.meta)
  dataset = shards.open_dataset(data_dir or config.data.data_dir)
  same_data = dataset.index["fingerprint"] == meta["data_fingerprint"]
  every = windows.encode_split(
    dataset, split, codec, config.train.window, config.data.windows_per_piece
  )
  scored = _scored(loaded, config, codec, every, peer)
  result: dict[str, Any] = {
    "kind": "vae",
    "split": split,
    "codec": codec.name,
    "data_fingerprint": dataset.index["fingerprint"],
    "same_data": same_data,
    "pieces": len(np.unique(scored.piece)),
    "windows": len(scored.tokens),
    "windows_of_split": len(every),
    "window_steps": config.train.window,
    "steps": int(windows.mask(scored.tokens, codec).sum()),
    "notes": int(codec.grammar.note_counts[scored.tokens].sum()),
    "skipped": every.skipped,
    "averaging": vae_table.AVERAGING,
    "parameters": run.count_parameters(loaded.params),
    "blocks": vae_figures.likelihoods(scored, bound_windows),
    "accuracy": vae_figures.accuracies(scored),
    "posterior": vae_figures.posterior_figures(scored),
  }
  ratio = result["accuracy"]["onset_ratio"]
  result["collapsed"] = collapse.reasons(
    result["posterior"]["kl_bits"][0],
    result["posterior"]["active_units"],
    scored.model.latent_size,
    ratio[0] if ratio else None,
  )
  if split == "test" if latent is None else latent:
    space = latent_space.of_checkpoint(
      loaded, scored.model, codec, data_dir if same_data else ""
    )
    result["latent"] = latent_figures(scored, space)
  return result


def _scored(
  loaded: latent_space.Checkpoint,
  config: config_lib.Config,
  codec: Codec,
  every: windows.Windows,
  peer: latent_space.Checkpoint | None,
) -> Scored:
  chosen = latent_space.evenly(len(every), MAX_WINDOWS)
  model = vae.from_config(config, codec)
  network = None
  if peer:
    settings = config_lib.from_dict(peer.meta["config"]).model
    network = (language_model.from_config(settings, codec), peer.params)
  tokens = every.tokens[chosen]
  return Scored(
    params=loaded.params,
    model=model,
    codec=codec,
    tokens=tokens,
    piece=every.piece[chosen],
    posterior=latent_space.encode(loaded.params, model, tokens),
    peer=network,
  )


def latent_figures(scored: Scored, space: latent_space.LatentSpace) -> dict:
  """The hole, interpolation and the attribute vectors."""
  common = (scored.params, scored.model, scored.codec, scored.tokens)
  return {
    "fitted_on": space.windows,
    "hole": hole.measure(*common, space, SEED),
    "interpolation": interpolation.measure(
      *common, scored.piece, scored.peer, SEED
    ),
    "attributes": attribute_checks.measure(*common, space),
  }
