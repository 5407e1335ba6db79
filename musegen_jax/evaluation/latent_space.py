"""What a trained VAE's latent space looks like: posteriors of windows, how
much z tells, and a Gaussian to draw from.

Letters: W windows, T steps, Z latent dimensions, A attributes, N points.
"""

import dataclasses
import functools
import hashlib
import io
import pathlib
import sys
import zipfile
from typing import Protocol

import jax
import jax.numpy as jnp
import numpy as np

from musegen_jax import atomic
from musegen_jax import config as config_lib
from musegen_jax.data import shards, windows
from musegen_jax.data.codecs.codec import Codec
from musegen_jax.errors import UserError
from musegen_jax.evaluation import attribute_vectors, attributes
from musegen_jax.models import gaussian
from musegen_jax.models.gaussian import Gaussian
from musegen_jax.models.vae import VAE

# Variance of its posterior mean above which a unit is active (Burda et al.
# 2016, section 4.1.1).
ACTIVE_VARIANCE = 0.01
# Points compared with all posteriors at once.
CHUNK = 512
# Windows of the training split that a latent space is measured on.
FIT_WINDOWS = 20_000
# Of these, windows that the attribute vectors are sought on, and the seed.
VECTOR_WINDOWS, SEED = 4096, 0


@functools.partial(jax.jit, static_argnames="model")
def _encode(params: dict, tokens: jax.Array, *, model: VAE) -> Gaussian:
  return model.apply({"params": params}, tokens, method="encode")


def encode(
  params: dict, model: VAE, tokens: np.ndarray, batch_size: int = 256
) -> Gaussian:
  """Posteriors of windows [W, T], each part NumPy float32 [W, Z]."""
  parts = []
  for start in range(0, len(tokens), batch_size):
    rows = tokens[start : start + batch_size].astype(np.int32)
    # Always a whole batch: compiled once, and rounded alike.
    rows = np.pad(rows, ((0, batch_size - len(rows)), (0, 0)), mode="edge")
    parts.append(_encode(params, rows, model=model))
  means, log_variances = zip(*jax.device_get(parts), strict=True)
  return Gaussian(
    np.concatenate(means)[: len(tokens)],
    np.concatenate(log_variances)[: len(tokens)],
  )


def active_units(mean: np.ndarray) -> int:
  """Dimensions of posterior means [W, Z] that differ between windows (Burda
  et al. 2016)."""
  return int((np.var(mean, axis=0) > ACTIVE_VARIANCE).sum())


@jax.jit
def _log_ratio(
  posterior: Gaussian, points: jax.Array, own: jax.Array
) -> jax.Array:
  """log q(z_m | x_m) - log q(z_m) of points [M, Z] from windows own [M]."""
  log_density = gaussian.pairwise_log_density(posterior, points)
  mixture = jax.nn.logsumexp(log_density, axis=1) - jnp.log(
    log_density.shape[1]
  )
  return jnp.take_along_axis(log_density, own[:, None], 1)[:, 0] - mixture


def mutual_information(posterior: Gaussian, seed: int) -> float:
  """What z tells of which window it comes from, nats.

  E KL(q(z|x) || p(z)) - KL(q(z) || p(z)) (Hoffman & Johnson 2016), both
  estimated from one z a window, so that log p(z) cancels; q(z) is the mixture
  of all the posteriors given. It cannot exceed log W.

  Args:
    posterior: of W windows.
    seed: of the z.
  """
  noise = np.random.default_rng(seed).standard_normal(posterior.mean.shape)
  points = np.asarray(gaussian.sample(posterior, noise.astype(np.float32)))
  # Near the origin the squares lose fewer digits.
  centre = posterior.mean.mean(axis=0, keepdims=True)
  centred = Gaussian(posterior.mean - centre, posterior.log_variance)
  numbers = np.arange(len(points))
  total = 0.0
  for start in range(0, len(points), CHUNK):
    own = numbers[start : start + CHUNK]
    ratios = _log_ratio(centred, points[own] - centre, own)
    total += float(np.asarray(ratios, np.float64).sum())
  return total / len(points)


@dataclasses.dataclass(frozen=True)
class LatentSpace:
  """What sampling wants to know of a latent space.

  Attributes:
    mean: float64 [Z] of the posteriors of all windows taken together.
    covariance: float64 [Z, Z] of the same: that of their means, and the mean of
      their variances. The Gaussian of these two stands in for the prior
      (ex-post density estimation, Ghosh et al. 2020).
    names: of A attributes.
    vectors: float32 [A, 2, Z]; adding the first of an attribute raises it,
      adding the second lowers it (`attribute_vectors.find`).
    deviations: float64 [A], of the attributes over the windows.
    windows: how many were measured.
    params_hash: of the parameters that encoded them.
  """

  mean: np.ndarray
  covariance: np.ndarray
  names: tuple[str, ...]
  vectors: np.ndarray
  deviations: np.ndarray
  windows: int
  params_hash: str

  def move(self, name: str, amount: float) -> np.ndarray:
    """float32 [Z] that raises an attribute by an amount, or lowers it where
    that is below 0; raises UserError where there is none or it has no
    direction."""
    if name not in self.names:
      raise UserError(
        f"no attribute {name!r}; choose from {', '.join(self.names)}"
      )
    both = self.vectors[self.names.index(name)]
    if not both.any():
      raise UserError(
        f"attribute {name!r} is undefined or the same in all training windows"
        " of this model, so that it has no direction"
      )
    return np.float32(abs(amount)) * both[0 if amount >= 0 else 1]

  def save(self, path: pathlib.Path) -> None:
    """Writes an .npz, whole or not at all."""
    arrays = dataclasses.asdict(self)
    buffer = io.BytesIO()
    np.savez(buffer, **{name: np.array(part) for name, part in arrays.items()})
    atomic.write(path, buffer.getvalue())


def load(path: pathlib.Path) -> LatentSpace:
  """Reads what `LatentSpace.save` wrote; raises ValueError, KeyError or
  BadZipFile where it did not."""
  with np.load(path, allow_pickle=False) as arrays:
    parts = {
      field.name: arrays[field.name]
      for field in dataclasses.fields(LatentSpace)
    }
  parts["names"] = tuple(parts["names"].tolist())
  parts["windows"] = int(parts["windows"])
  parts["params_hash"] = str(parts["params_hash"])
  return LatentSpace(**parts)


def fit(
  params: dict, model: VAE, codec: Codec, tokens: np.ndarray
) -> LatentSpace:
  """The latent space as windows [W, T] see it."""
  posterior = encode(params, model, tokens)
  values = attributes.compute(tokens, codec)
  means = posterior.mean.astype(np.float64)
  own = np.exp(posterior.log_variance, dtype=np.float64).mean(0)
  chosen = evenly(len(tokens), VECTOR_WINDOWS)
  return LatentSpace(
    mean=means.mean(0),
    covariance=np.cov(means, rowvar=False, bias=True) + np.diag(own),
    names=attributes.NAMES,
    vectors=attribute_vectors.find(
      params,
      model,
      codec,
      tokens[chosen],
      posterior.mean[chosen],
      SEED,
    ),
    deviations=np.ma.masked_invalid(values).std(0).filled(0),
    windows=len(tokens),
    params_hash=params_hash(params),
  )


def draw(
  space: LatentSpace | None, noise: np.ndarray, temperature: float = 1.0
) -> np.ndarray:
  """Latent vectors float32 [N, Z] from standard normal noise [N, Z].

  From the standard prior where `space` is None, else from the Gaussian fitted
  to the posteriors. Temperature multiplies the distance from its mean. Each row
  depends on its own noise alone, to the bit.
  """
  if space is None:
    return (temperature * noise).astype(np.float32)
  root = np.linalg.cholesky(space.covariance)
  # Row by row: a product of all at once may round by how many there are.
  rows = [space.mean + temperature * (root @ row) for row in noise]
  return np.array(rows, np.float32).reshape(noise.shape)


def params_hash(params: dict) -> str:
  """Changes whenever a parameter does."""
  digest = hashlib.sha256()
  for path, leaf in jax.tree_util.tree_leaves_with_path(jax.device_get(params)):
    digest.update(jax.tree_util.keystr(path).encode())
    digest.update(np.ascontiguousarray(leaf).tobytes())
  return digest.hexdigest()[:16]


def path_of(checkpoint: pathlib.Path) -> pathlib.Path:
  """Where the latent space of runs/x/checkpoints/100 is kept:
  runs/x/latent-100.npz."""
  folder = checkpoint.absolute().parent
  folder = folder.parent if folder.name == "checkpoints" else folder
  return folder / f"latent-{checkpoint.name}.npz"


class Checkpoint(Protocol):
  """What `training.checkpoints.load` returns, as far as it is needed here."""

  params: dict
  meta: dict
  path: pathlib.Path


def of_checkpoint(
  loaded: Checkpoint, model: VAE, codec: Codec, data_dir: str = ""
) -> LatentSpace:
  """The latent space of a checkpoint, on its training split.

  Read from beside the checkpoint, or else measured and kept there.

  Args:
    loaded: the checkpoint.
    model: its network.
    codec: its codec.
    data_dir: where the run's data is now; empty for where it was.

  Raises UserError where it must be measured and the data is not there.
  """
  path = path_of(loaded.path)
  try:
    space = load(path)
    if space.params_hash == params_hash(loaded.params):
      return space
  except (OSError, KeyError, ValueError, zipfile.BadZipFile):
    pass  # absent or damaged: it can be measured again
  config = config_lib.from_dict(loaded.meta["config"])
  folder = data_dir or config.data.data_dir
  dataset = shards.open_dataset(folder)
  if dataset.index["fingerprint"] != loaded.meta["data_fingerprint"]:
    raise UserError(
      f"{path} is missing and {folder} is not the data {loaded.path} was"
      " trained on; give --data_dir of that data"
    )
  split = windows.encode_split(
    dataset, "train", codec, config.train.window, config.data.windows_per_piece
  )
  chosen = evenly(len(split), FIT_WINDOWS)
  space = fit(loaded.params, model, codec, split.tokens[chosen])
  try:
    space.save(path)
  except OSError as error:
    print(f"warning: {path} cannot be kept: {error}", file=sys.stderr)
  return space


def evenly(count: int, limit: int) -> np.ndarray:
  """At most `limit` of the numbers 0..count - 1, evenly spread."""
  if count <= limit:
    return np.arange(count)
  return (2 * np.arange(limit) + 1) * count // (2 * limit)
