"""Embeddings of the windows of a folder of MIDI files.

Of a VAE: posterior means. Of an LSTM: what its last layer puts out, averaged
over the steps of each window. Letters: B rows, T steps a window, E dimensions,
H LSTM units.
"""

import collections
import dataclasses
import functools
import pathlib
from collections.abc import Callable, Iterable, Iterator

import jax
import jax.numpy as jnp
import numpy as np
import tqdm

from musegen_jax import config as config_lib
from musegen_jax.data import midi, midi_folder, windows
from musegen_jax.data.codecs import codec as codec_lib
from musegen_jax.data.codecs.codec import Codec
from musegen_jax.data.notes import Piece
from musegen_jax.errors import UserError
from musegen_jax.evaluation import embedding_files, latent_space, run
from musegen_jax.models import language_model, vae
from musegen_jax.models.language_model import LanguageModel
from musegen_jax.models.lstm import LSTMCarry

# Windows, or pieces, that go through the network together.
WINDOWS, PIECES = 256, 16

Row = dict[str, str | int]
Embedded = Iterator[tuple[list[Row], np.ndarray]]


@dataclasses.dataclass
class LeftOut:
  """What gave no embedding, and why.

  Attributes:
    files: a dict of path, reason and detail for each such file.
    counts: parts and windows of the other files, by reason.
  """

  files: list[dict[str, str]] = dataclasses.field(default_factory=list)
  counts: collections.Counter = dataclasses.field(
    default_factory=collections.Counter
  )

  def file(self, path: str, reason: str, detail: str) -> None:
    """Notes a file."""
    self.files.append({"path": path, "reason": reason, "detail": detail})


def embed(
  params: dict,
  header: dict,
  meta: dict,
  *,
  midi_dir: pathlib.Path,
  labels: pathlib.Path | None,
  folder: pathlib.Path,
  overwrite: bool,
) -> dict:
  """Embeds every window of every MIDI file and writes them.

  Args:
    params: of the checkpoint.
    header: what index.json says of the checkpoint.
    meta: of the checkpoint.
    midi_dir: the MIDI files are those below it.
    labels: csv with their labels, see `midi_folder.labelled`.
    folder: where to, see `embedding_files`.
    overwrite: whether other embeddings may be replaced.

  Returns:
    What index.json holds.

  Raises UserError for a model of frames.
  """
  config, codec = config_lib.from_dict(meta["config"]), run.codec_of(meta)
  if config.model.kind == "frames":
    raise UserError(
      "--checkpoint is of a model of frames, of which there are no embeddings:"
      " give an LSTM's or a VAE's"
    )
  found = midi_folder.labelled(midi_dir, labels)
  length, left_out = config.train.window, LeftOut()
  pieces = read_pieces(midi_dir, found, left_out)
  if config.data.unit == "window":
    what, encode = window_encoder(params, config, codec)
    embedded = embed_windows(pieces, codec, length, left_out, encode)
  else:
    model = language_model.from_config(config.model, codec)
    what = "output of the last LSTM layer, averaged over"
    embedded = embed_stretches(params, model, codec, pieces, length, left_out)
  grid = codec.grid is not None and config.data.unit == "window"
  header = header | {
    "codec": codec.name,
    "midi_dir": str(midi_dir),
    "labels": str(labels or ""),
    "row": f"{what} a window of {length} {'steps' if grid else 'tokens'}",
    "bar": "first bar of the window in its piece, from 0"
    if grid
    else "number of the window in its piece, from 0",
  }
  with embedding_files.Writer(folder, header, overwrite) as writer:
    for rows, vectors in embedded:
      writer.append(rows, vectors)
    if not writer.count:
      raise UserError(_nothing(midi_dir, codec, length, left_out))
    return writer.commit(
      {
        "files": len(found),
        "files_left_out": left_out.files,
        "left_out": dict(left_out.counts.most_common()),
      }
    )


def summary(index: dict, folder: pathlib.Path) -> list[str]:
  """Lines for the user."""
  rows, size = index["shape"]
  left_out = index["files_left_out"]
  lines = [
    f"wrote {rows} embeddings of {size} dimensions, from"
    f" {index['files'] - len(left_out)} files, to {folder}"
  ]
  if left_out:
    reasons = collections.Counter(file["reason"] for file in left_out)
    said = ", ".join(f"{why}: {n}" for why, n in reasons.most_common())
    lines.append(
      f"left out: {len(left_out)} files ({said}), listed in"
      f" {folder / embedding_files.INDEX}"
    )
  return lines


def _nothing(
  midi_dir: pathlib.Path, codec: Codec, length: int, left_out: LeftOut
) -> str:
  first = left_out.files[0]
  return (
    f"no file below --midi_dir={midi_dir} has a window of {length} steps that"
    f" codec {codec.name!r} can say; {first['path']}: {first['reason']}"
    f" ({first['detail']})"
  )


def read_pieces(
  midi_dir: pathlib.Path,
  found: list[tuple[str, tuple[str, ...]]],
  left_out: LeftOut,
) -> Iterator[tuple[Row, Piece]]:
  """Path and labels, and the piece, of each file that can be read."""
  for path, labels in tqdm.tqdm(found, "embed", unit=" files", delay=2):
    try:
      piece = midi_folder.read_piece(midi_dir / path)
    except OSError as error:
      left_out.file(path, "unreadable_file", error.strerror or str(error))
    except midi.MidiRejected as error:
      left_out.file(path, error.reason, error.detail)
    else:
      row = dict(zip(midi_folder.LABELS, labels, strict=True))
      yield {"path": path} | row, piece


def window_encoder(
  params: dict, config: config_lib.Config, codec: Codec
) -> tuple[str, Callable[[np.ndarray], np.ndarray]]:
  """What it gives, and the function from at most WINDOWS windows [W, T] to
  float32 [W, E]."""
  if config.model.kind == "vae":
    model = vae.from_config(config, codec)

    def posterior_means(tokens: np.ndarray) -> np.ndarray:
      return latent_space.encode(params, model, tokens, WINDOWS).mean

    return "posterior mean of", posterior_means
  network = language_model.from_config(config.model, codec)

  def mean_outputs(tokens: np.ndarray) -> np.ndarray:
    count = len(tokens)
    tokens = np.pad(tokens, ((0, WINDOWS - count), (0, 0)), mode="edge")
    inputs = windows.decoder_inputs(tokens, codec)
    carry = network.zero_carry(WINDOWS)
    mask = windows.mask(tokens, codec)
    return np.asarray(
      _mean_outputs(params, carry, inputs, mask, model=network)[1]
    )[:count]

  return "output of the last LSTM layer, averaged over", mean_outputs


@functools.partial(jax.jit, static_argnames="model")
def _mean_outputs(
  params: dict,
  carry: LSTMCarry,
  inputs: jax.Array,
  mask: jax.Array,
  start: int = 0,
  *,
  model: LanguageModel,
) -> tuple[LSTMCarry, jax.Array]:
  """The state after inputs [B, T], the first of them number `start` in their
  pieces, and the outputs averaged where mask [B, T] is true: [B, H] float32, 0
  where it nowhere is."""
  position = jnp.broadcast_to(start + jnp.arange(inputs.shape[1]), inputs.shape)
  _, carry, activations = model.apply(
    {"params": params}, inputs, carry, position=position
  )
  outputs = activations["lstm/output"].astype(jnp.float32)
  total = (outputs * mask[:, :, None]).sum(1)
  return carry, total / jnp.maximum(mask.sum(1), 1)[:, None]


def embed_windows(
  pieces: Iterable[tuple[Row, Piece]],
  codec: Codec,
  length: int,
  left_out: LeftOut,
  encode: Callable[[np.ndarray], np.ndarray],
) -> Embedded:
  """Rows and embeddings [at most WINDOWS, E] of all windows, in order."""

  def all_windows() -> Iterator[tuple[Row, np.ndarray]]:
    for row, piece in pieces:
      found = windows.cut(piece, codec, length)
      left_out.counts.update(found.skipped)
      if not found.windows:
        why = (f"{part}: {reason}" for part, reason in found.left_out.items())
        left_out.file(row["path"], "no_window", "; ".join(why))
      for window in found.windows:
        place = {"bar": window.bar, "track": window.track}
        yield row | place, window.tokens

  for batch in _batches(all_windows(), WINDOWS):
    rows, tokens = zip(*batch, strict=True)
    yield list(rows), encode(np.stack(tokens))


def embed_stretches(
  params: dict,
  model: LanguageModel,
  codec: Codec,
  pieces: Iterable[tuple[Row, Piece]],
  length: int,
  left_out: LeftOut,
) -> Embedded:
  """Rows and embeddings [W, H] of consecutive stretches of `length` tokens, the
  LSTM's state carried from each to the next; the last of a piece may be
  shorter."""

  def all_tokens() -> Iterator[tuple[Row, np.ndarray]]:
    for row, piece in pieces:
      try:
        yield row, codec.framed(codec.encode(piece, 1.0))[:-1]
      except codec_lib.Unencodable as reason:
        left_out.file(row["path"], "no_window", str(reason))

  for batch in _batches(all_tokens(), PIECES):
    counts = [-(-len(tokens) // length) for _, tokens in batch]
    inputs = np.full((PIECES, max(counts) * length), codec.pad, np.int32)
    for slot, (_, tokens) in enumerate(batch):
      inputs[slot, : len(tokens)] = tokens
    carry, means = model.zero_carry(PIECES), []
    for start in range(0, inputs.shape[1], length):
      part = inputs[:, start : start + length]
      carry, mean = _mean_outputs(
        params, carry, part, part != codec.pad, start, model=model
      )
      means.append(mean)
    of_slot = np.stack(jax.device_get(means), axis=1)
    for slot, (row, _) in enumerate(batch):
      rows = [row | {"bar": n, "track": -1} for n in range(counts[slot])]
      yield rows, of_slot[slot, : counts[slot]]


def _batches(items: Iterable, size: int) -> Iterator[list]:
  """Consecutive lists of `size` items, the last one shorter."""
  batch = []
  for item in items:
    batch.append(item)
    if len(batch) == size:
      yield batch
      batch = []
  if batch:
    yield batch
