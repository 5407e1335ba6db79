"""One sampling run: a checkpoint (or its n-gram baseline) to a folder of MIDI.

The folder gets piece-00000.mid ... and samples.json, written last.
"""

import dataclasses
import functools
import json
import pathlib
from collections.abc import Callable, Sequence

import jax
import numpy as np
import tqdm

from musegen_jax import atomic
from musegen_jax import config as config_lib
from musegen_jax.data import midi, shards
from musegen_jax.data.codecs import codec as codec_lib
from musegen_jax.data.notes import Piece, seconds
from musegen_jax.errors import UserError
from musegen_jax.evaluation import baselines
from musegen_jax.evaluation import run as evaluation_run
from musegen_jax.models import frames, language_model
from musegen_jax.sampling import (
  ahead,
  audio,
  decode,
  frame_decode,
  inputs,
  markov,
)
from musegen_jax.sampling.strategies import Strategy

INDEX = "samples.json"
# Fewer distinct pitches than this is reported as degenerate.
MIN_PITCHES = 3
# As long as the readers take back.
MAX_SECONDS = midi.Limits().max_seconds

Sampler = Callable[..., list[np.ndarray]]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Settings:
  """What decides the samples.

  Attributes:
    num: pieces 0..num - 1.
    only: numbers of the pieces to write; all where empty.
    seed: of all pieces.
    lengths: of pieces and notes.
    batch_size: pieces sampled together; the same for bit-equal repeats.
    primers: MIDI files to continue, used in turn.
    strategy: how tokens are drawn.
    baseline: "" for the model, "ngram" for the best n-gram on its data.
  """

  num: int
  only: tuple[int, ...]
  seed: int
  lengths: decode.Lengths
  batch_size: int
  primers: tuple[str, ...]
  strategy: Strategy
  baseline: str

  def check(self) -> None:
    """Raises UserError where a value has no meaning."""
    self.strategy.check()
    for name, value in (("num", self.num), ("batch_size", self.batch_size)):
      if value <= 0:
        raise UserError(f"--{name} must be above 0")
    for name, value in dataclasses.asdict(self.lengths).items():
      if not 0 <= value <= MAX_SECONDS or (not value and name != "min_seconds"):
        raise UserError(
          f"--{name} {value} must be above 0 and at most {MAX_SECONDS:g}"
        )
    for index in self.only:
      if not 0 <= index < self.num:
        raise UserError(f"--only={index} is not in 0..{self.num - 1}")


def read_primer(path: str, codec: codec_lib.Codec) -> np.ndarray:
  """Tokens of a MIDI file to be continued."""
  try:
    return codec.encode(inputs.read_piece("primer", path), 1.0)
  except codec_lib.Unencodable as error:
    raise UserError(
      f"--primer={path} has nothing codec {codec.name!r} can say: {error}"
    ) from None


def make_sampler(
  params: dict,
  config: config_lib.Config,
  codec: codec_lib.Codec,
  baseline: str,
) -> Sampler:
  """The model's sampler, or that of the n-gram fitted on the model's data."""
  if not baseline and config.model.kind == "frames":
    model = frames.from_config(config)
    return functools.partial(frame_decode.sample_tokens, params, model, codec)
  if not baseline:
    return functools.partial(
      decode.sample,
      language_model.step_params(params, config.model.dtype),
      language_model.from_config(config.model, codec),
      codec,
    )
  dataset = shards.open_dataset(config.data.data_dir)
  encode = evaluation_run.make_encode(config, codec, dataset)
  train, valid = encode("train"), encode("valid")
  semitones = config.data.transpose_semitones
  best = baselines.fit(train, valid, codec, semitones)[1]
  return functools.partial(markov.sample, best.model, best.order, codec)


def open_folder(folder: pathlib.Path, header: dict, overwrite: bool) -> None:
  """Makes the folder; refuses one that holds other samples."""
  folder.mkdir(parents=True, exist_ok=True)
  index = folder / INDEX
  way_out = "add --overwrite or give another --output_dir"
  if overwrite or not index.exists():
    if not overwrite and any(folder.glob("piece-*.mid")):
      raise UserError(f"{folder} holds pieces of an unfinished run; {way_out}")
    index.unlink(missing_ok=True)
    return
  try:
    stored = json.loads(index.read_text())
    holds_these = {key: stored.get(key) for key in header} == header
  except (ValueError, AttributeError):
    raise UserError(f"{index} is damaged; {way_out}") from None
  if not holds_these:
    raise UserError(f"{folder} holds other samples; {way_out}")


def within_window(
  lengths: decode.Lengths, config: config_lib.Config, codec: codec_lib.Codec
) -> decode.Lengths:
  """The same, at most a window where windows are all a model has met."""
  if config.data.unit != "window" or not codec.grid:
    return lengths
  longest = config.train.window * codec.seconds_per_step
  return dataclasses.replace(lengths, seconds=min(lengths.seconds, longest))


def describe(piece: Piece) -> dict:
  """What samples.json says of a piece's music."""
  return {
    "notes": len(piece.notes),
    "pitches": len(np.unique(piece.notes["pitch"])),
    "seconds": round(seconds(piece), 3),
  }


def sample(
  params: dict,
  header: dict,
  meta: dict,
  settings: Settings,
  folder: pathlib.Path,
  *,
  overwrite: bool,
  png: bool,
  soundfont: pathlib.Path | None,
) -> dict:
  """Samples all pieces and writes them.

  Args:
    params: of the checkpoint.
    header: what samples.json says of the checkpoint.
    meta: of the checkpoint.
    settings: what to draw.
    folder: where to.
    overwrite: whether other samples may be replaced.
    png: whether to draw a piano-roll beside each piece.
    soundfont: where given, to render a WAV beside each piece.

  Returns:
    What samples.json holds.
  """
  settings.check()
  config = config_lib.from_dict(meta["config"])
  codec = codec_lib.of(config.data.codec, config.data.steps_per_beat)
  primers = [read_primer(path, codec) for path in settings.primers]
  primers = primers or [np.zeros(0, np.int16)]
  header = header | {
    "settings": json.loads(json.dumps(dataclasses.asdict(settings)))
  }
  open_folder(folder, header, overwrite)
  wanted = sorted(set(settings.only)) or range(settings.num)
  result: dict[str, list] = {"pieces": [], "silent": []}
  numbers = sorted({index // settings.batch_size for index in wanted})
  batches = ahead.in_order(
    _batch_maker(params, config, codec, settings, primers), numbers
  )
  shown = tqdm.tqdm(
    batches, "sample", total=len(numbers), unit=" batches", delay=2
  )
  for number, pieces in zip(numbers, shown, strict=True):
    first = number * settings.batch_size
    for index, tokens in enumerate(pieces, first):
      if index not in wanted:
        continue
      piece = codec.decode(tokens)
      if not len(piece.notes):
        result["silent"].append(index)
        continue
      path = folder / f"piece-{index:05d}.mid"
      write_piece(piece, path, png, soundfont)
      result["pieces"].append(
        {"index": index, "file": path.name, "tokens": len(tokens)}
        | describe(piece)
      )
  return write_index(folder, header | result)


def _batch_maker(
  params: dict,
  config: config_lib.Config,
  codec: codec_lib.Codec,
  settings: Settings,
  primers: Sequence[np.ndarray],
) -> Callable[[jax.Device], ahead.Compute]:
  """What makes, for a device, the function from a batch's number to its
  pieces."""
  fitted = None
  if settings.baseline:
    fitted = make_sampler(params, config, codec, settings.baseline)

  def make(device: jax.Device) -> ahead.Compute:
    own = jax.device_put(params, device)
    sampler = fitted or make_sampler(own, config, codec, "")

    def compute(number: int) -> list[np.ndarray]:
      # Always a whole batch: another shape might round differently.
      first = number * settings.batch_size
      indices = np.arange(first, first + settings.batch_size)
      return sampler(
        indices=indices,
        primers=[primers[index % len(primers)] for index in indices],
        lengths=within_window(settings.lengths, config, codec),
        strategy=settings.strategy,
        seed=settings.seed,
      )

    return compute

  return make


def write_index(folder: pathlib.Path, result: dict) -> dict:
  """Writes samples.json, which makes the folder whole; returns `result`."""
  text = json.dumps(result, indent=2) + "\n"
  atomic.write(folder / INDEX, text.encode())
  return result


def write_piece(
  piece: Piece, path: pathlib.Path, png: bool, soundfont: pathlib.Path | None
) -> None:
  """Writes the MIDI file and what else was asked for."""
  midi.write_midi(piece, path)
  if png:
    # Late: matplotlib takes a third of a second to load.
    from musegen_jax import plots

    plots.piano_roll(piece, path.with_suffix(".png"))
  if soundfont:
    audio.render(path, path.with_suffix(".wav"), soundfont)


def summary(result: dict, folder: pathlib.Path) -> Sequence[str]:
  """Lines for the user."""
  pieces = result["pieces"]
  length = sum(piece["seconds"] for piece in pieces)
  lines = [
    f"wrote {len(pieces)} pieces, {length:.0f} seconds of music, to {folder}"
  ]
  if result.get("silent"):
    lines.append(
      f"left out: {len(result['silent'])} pieces without any note, numbers"
      f" {', '.join(map(str, result['silent'][:5]))}"
    )
  poor = [p["file"] for p in pieces if p["pitches"] < MIN_PITCHES]
  if poor:
    lines.append(
      f"warning: {len(poor)} of them use fewer than {MIN_PITCHES} pitches:"
      f" {', '.join(poor[:5])}"
    )
  return lines
