"""Do attribute vectors move what they are named after, and what else?

Letters: N windows, T steps, A attributes, Z latent dimensions.
"""

import numpy as np

from musegen_jax.data.codecs.codec import Codec
from musegen_jax.evaluation import attributes, decoding, latent_space
from musegen_jax.evaluation.attribute_vectors import SIGNS, right_way
from musegen_jax.models.vae import VAE

MAX_WINDOWS = 100


def measure(
  params: dict,
  model: VAE,
  codec: Codec,
  tokens: np.ndarray,
  space: latent_space.LatentSpace,
) -> dict:
  """Raises and lowers each attribute once, at most 100 windows of [W, T].

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
    up, down = (after(space.move(name, sign)) for sign in SIGNS)
    both = [
      right_way(base[:, own], values[:, own], name, sign)
      for values, sign in zip((up, down), SIGNS, strict=True)
    ]
    shares = [float(right.mean()) for right, _ in both]
    with_room = sum(int((right & room).sum()) for right, room in both)
    room = sum(int(room.sum()) for _, room in both)
    result["up"].append(shares[0])
    result["down"].append(shares[1])
    result["moved"].append(sum(shares) / 2)
    result["moved_with_room"].append(with_room / room if room else None)
    change = np.ma.masked_invalid((up - down) / 2).mean(0)
    scaled = change / np.where(space.deviations > 0, space.deviations, np.inf)
    result["matrix"].append(
      [
        float(v) if np.isfinite(v) else None
        for v in scaled[columns].filled(np.nan)
      ]
    )
  return result
