"""Do attribute vectors move what they are named after, and what else?

Letters: N windows, T steps, A attributes, Z latent dimensions.
"""

import numpy as np

from musegen_jax.data.codecs.codec import Codec
from musegen_jax.evaluation import attributes, decoding, latent_space
from musegen_jax.models.vae import VAE

MAX_WINDOWS = 100
# Attributes that are shares cannot leave 0..1, nor syncopation fall below 0.
LOWEST = {"note_density": 0.0, "mean_interval": 0.0, "syncopation": 0.0}
LOWEST |= {"fraction_in_key": 0.0}
HIGHEST = {"fraction_in_key": 1.0}


def moved(
  before: np.ndarray, after: np.ndarray, name: str, sign: int
) -> tuple[int, int, int]:
  """How many windows moved an attribute the asked way.

  Args:
    before: [N], of the reconstructions; nan where undefined.
    after: [N], of what was decoded further along the vector.
    name: of the attribute.
    sign: the direction, 1 or -1.

  Returns:
    How many moved, of all N (no change and undefined did not); how many of
    those that had room to; how many had room.
  """
  with np.errstate(invalid="ignore"):
    right = sign * (after - before) > 0
    limit = HIGHEST if sign > 0 else LOWEST
    room = sign * (limit.get(name, sign * np.inf) - before) > 0
  return int(right.sum()), int((right & room).sum()), int(room.sum())


def measure(
  params: dict,
  model: VAE,
  codec: Codec,
  tokens: np.ndarray,
  space: latent_space.LatentSpace,
) -> dict:
  """Adds and subtracts each vector once, at most 100 windows of [W, T].

  Compared with the reconstruction (argmax, from the posterior mean).

  Returns:
    {"windows", "names", "up", "down", "moved" (shares of windows whose own
    attribute moved the asked way: amount 1, amount -1, both together),
    "moved_with_room" (both, of windows not yet at the attribute's limit),
    "matrix" [A][A] (how far the vector of the row moves the attribute of the
    column: half the difference between amount 1 and -1, mean over windows, in
    standard deviations of the training windows)}; None where undefined.
  """
  tokens = tokens[latent_space.evenly(len(tokens), MAX_WINDOWS)]
  z = latent_space.encode(params, model, tokens).mean
  pads = tokens == codec.pad

  def after(step: np.ndarray) -> np.ndarray:
    rows = decoding.decode(params, model, codec, z + step[None], pads)
    return attributes.compute(rows, codec)

  names = [
    name
    for name, vector in zip(space.names, space.vectors, strict=True)
    if vector.any()
  ]
  columns = [space.names.index(name) for name in names]
  base = after(np.zeros(model.latent_size, np.float32))
  result: dict = {"windows": len(tokens), "names": names}
  result |= {key: [] for key in ("up", "down", "moved", "moved_with_room")}
  result["matrix"] = []
  for name, own in zip(names, columns, strict=True):
    up, down = after(space.vectors[own]), after(-space.vectors[own])
    counts = [
      moved(base[:, own], values[:, own], name, sign)
      for values, sign in ((up, 1), (down, -1))
    ]
    all_moved, with_room, room = np.sum(counts, axis=0)
    result["up"].append(counts[0][0] / len(tokens))
    result["down"].append(counts[1][0] / len(tokens))
    result["moved"].append(float(all_moved / (2 * len(tokens))))
    result["moved_with_room"].append(float(with_room / room) if room else None)
    change = np.ma.masked_invalid((up - down) / 2).mean(0)
    scaled = change / np.where(space.deviations > 0, space.deviations, np.inf)
    result["matrix"].append(
      [
        float(v) if np.isfinite(v) else None
        for v in scaled[columns].filled(np.nan)
      ]
    )
  return result
