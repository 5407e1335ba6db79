"""One sampling run of a VAE: latent vectors by the mode, decoded into a folder.

The folder gets piece-00000.mid ..., interpolation-joined.mid where that was
asked for, and samples.json, written last. A piece that came out without any
note is counted there and not written.
"""

import dataclasses
import itertools
import json
import pathlib
from collections.abc import Iterator

import numpy as np

from musegen_jax import config as config_lib
from musegen_jax.data.codecs.codec import Codec
from musegen_jax.errors import UserError
from musegen_jax.evaluation import latent_space
from musegen_jax.evaluation.latent_space import Checkpoint
from musegen_jax.evaluation.run import codec_of
from musegen_jax.models import gaussian, vae
from musegen_jax.sampling import inputs, latent, run
from musegen_jax.sampling.latent import Rows
from musegen_jax.sampling.modes import Settings

JOINED = "interpolation-joined.mid"


def sample(
  loaded: Checkpoint,
  header: dict,
  settings: Settings,
  folder: pathlib.Path,
  *,
  data_dir: str = "",
  overwrite: bool,
  png: bool,
  soundfont: pathlib.Path | None,
) -> dict:
  """Samples all pieces and writes them.

  Args:
    loaded: a VAE's checkpoint.
    header: what samples.json says of it.
    settings: what to draw.
    folder: where to.
    data_dir: where the run's data is now, empty for where it was; read where
      the latent space was not measured yet.
    overwrite: whether other samples may be replaced.
    png: whether to draw a piano-roll beside each piece.
    soundfont: where given, to render a WAV beside each piece.

  Returns:
    What samples.json holds.
  """
  settings.check()
  config = config_lib.from_dict(loaded.meta["config"])
  codec = codec_of(loaded.meta)
  model = vae.from_config(config, codec)
  # Inputs first: their mistakes are quick to find.
  given = [
    inputs.read_windows(path, codec, config.train.window, settings.bar)
    for path in settings.inputs
  ]
  if settings.mode == "interpolate":
    given = [each.first() for each in given]
  header = header | {
    "settings": json.loads(json.dumps(dataclasses.asdict(settings))),
    "inputs": [each.describe() for each in given],
  }
  space = None
  if settings.mode == "attribute" or settings.prior == "fitted":
    space = latent_space.of_checkpoint(loaded, model, codec, data_dir)
  rows = make_rows(
    loaded.params, model, codec, settings, given, config.train.window, space
  )
  run.open_folder(folder, header, overwrite)
  result = {"pieces": [], "silent": []}
  said = []
  for index, windows in _decode(loaded.params, model, codec, settings, rows):
    said += windows
    piece = latent.join(codec, windows)
    if not len(piece.notes):
      result["silent"].append(index)
      continue
    path = folder / f"piece-{index:05d}.mid"
    run.write_piece(piece, path, png, soundfont)
    result["pieces"].append(
      {"index": index, "file": path.name, "windows": len(windows)}
      | run.describe(piece)
    )
  if settings.mode == "interpolate" and result["pieces"] and not settings.only:
    piece = latent.join(codec, said)
    run.write_piece(piece, folder / JOINED, png, soundfont)
    result["joined"] = {"file": JOINED} | run.describe(piece)
  return run.write_index(folder, header | result)


def _decode(
  params: dict, model: vae.VAE, codec: Codec, settings: Settings, rows: Rows
) -> Iterator[tuple[int, list[np.ndarray]]]:
  """Number and windows of each wanted piece."""
  decoded = latent.decode(
    params,
    model,
    codec,
    rows,
    wanted=np.isin(rows.pieces, settings.only or rows.pieces),
    strategy=settings.strategy,
    seed=settings.seed,
    batch_size=settings.batch_size,
  )
  for piece, own in itertools.groupby(decoded, lambda row: rows.pieces[row[0]]):
    yield int(piece), [tokens for _, tokens in own]


def make_rows(
  params: dict,
  model: vae.VAE,
  codec: Codec,
  settings: Settings,
  given: list[inputs.Input],
  length: int,
  space: latent_space.LatentSpace | None,
) -> Rows:
  """The latent vectors of every piece, whichever of them are wanted.

  Args:
    params: of the VAE.
    model: the network.
    codec: its codec.
    settings: what to draw.
    given: the inputs' windows.
    length: T.
    space: where the mode or the prior needs it.
  """
  if settings.mode == "prior":
    numbers = np.arange(settings.num)
    zeros = np.zeros_like(numbers)
    noise = latent.noise(settings.seed, numbers, zeros, model.latent_size)
    z = latent_space.draw(space, noise, settings.z_temperature)
    forced = latent.free(settings.num, length)
    return Rows(z, forced, numbers, zeros)
  if settings.mode == "interpolate":
    ends = np.concatenate([each.tokens for each in given])
    return _between(params, model, codec, ends, settings)
  tokens = np.concatenate([each.tokens for each in given])
  z = latent_space.encode(params, model, tokens).mean
  if settings.mode == "vary":
    given = given * settings.num
    z, tokens = (np.tile(each, (settings.num, 1)) for each in (z, tokens))
  counts = [len(each.tokens) for each in given]
  pieces = np.repeat(np.arange(len(given)), counts)
  parts = np.concatenate([np.arange(count) for count in counts])
  if settings.mode == "vary":
    # Standard normal, as the prior is: an amount of 1 is as wide.
    noise = latent.noise(settings.seed, pieces, parts, model.latent_size)
    z = z + np.float32(settings.amount) * noise
  elif settings.mode == "attribute":
    z = z + space.move(settings.attribute, settings.amount)[None]
  return Rows(z, latent.same_bars(tokens, codec), pieces, parts)


def _between(
  params: dict,
  model: vae.VAE,
  codec: Codec,
  ends: np.ndarray,
  settings: Settings,
) -> Rows:
  """From one window to another, ends [2, T].

  Raises UserError where their bars differ: no length of bar lies between.
  """
  forced = latent.same_bars(ends, codec)
  if (forced[0] != forced[1]).any():
    bars = forced.shape[1] // codec.grid.bar_steps
    first, second = (forced != codec.pad).sum(1) // bars
    raise UserError(
      f"--input={settings.inputs[0]} has bars of {first} steps there and"
      f" --input={settings.inputs[1]} of {second}: give two files of one meter,"
      " or a --bar where it is the same"
    )
  one, two = latent_space.encode(params, model, ends).mean
  z = np.array(gaussian.slerp(one, two, settings.num))
  # Not as the formula rounds: the ends are what the files say.
  z[0], z[-1] = one, two
  numbers = np.arange(settings.num)
  forced = np.repeat(forced[:1], settings.num, 0)
  return Rows(z, forced, numbers, np.zeros_like(numbers))
