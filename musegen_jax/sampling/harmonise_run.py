"""One harmonising run: the melody of a MIDI file to a folder of chorales.

The folder gets piece-00000.mid ... and samples.json, written last, which says
what was taken of the file and the nats of each piece before and after the
sweeps.
"""

import dataclasses
import json
import pathlib
from typing import NamedTuple

import jax
import numpy as np
import tqdm

from musegen_jax import config as config_lib
from musegen_jax.data import corpus, notes
from musegen_jax.data.codecs import codec as codec_lib
from musegen_jax.data.codecs import melody, voices
from musegen_jax.errors import UserError
from musegen_jax.evaluation import likelihood
from musegen_jax.evaluation.run import codec_of
from musegen_jax.models import language_model
from musegen_jax.sampling import harmonise, inputs, modes, run

# About where Bach's sopranos lie, with a third below. Another melody is heard
# in the octave nearest to it, and written with its voices where it was.
SOPRANO_RANGE = (57, 81)
MAX_OCTAVES = 2
MIN_TEMPERATURE = 0.01
# Below 1 the likelier of the voices that the model can imagine.
TEMPERATURE = 0.5


@dataclasses.dataclass(frozen=True, kw_only=True)
class Settings:
  """What decides the samples.

  Attributes:
    inputs: the MIDI file with the melody.
    num: pieces 0..num - 1.
    only: numbers of the pieces to write; all where empty.
    seed: of all pieces.
    batch_size: pieces drawn together at most; the same for bit-equal repeats.
    sweeps: that draw the voices again, block by block; 0 leaves them as they
      were said from left to right.
    temperature: of the pass from left to right and of the last sweeps; at 1
      the pieces are drawn from what the model believes of the other voices.
  """

  inputs: tuple[str, ...]
  num: int
  only: tuple[int, ...] = ()
  seed: int = 0
  batch_size: int = 16
  sweeps: int
  temperature: float

  def check(self) -> None:
    """Raises UserError where a value has no meaning."""
    mode = f"--mode={modes.HARMONISE}"
    if len(self.inputs) != 1:
      raise UserError(
        f"{mode} needs exactly one --input=FILE.mid, not {len(self.inputs)}"
      )
    # Beyond it weights overflow, as they do where nothing is left to chance.
    if not MIN_TEMPERATURE <= self.temperature < float("inf"):
      raise UserError(
        f"--temperature {self.temperature} for {mode} must be at least"
        f" {MIN_TEMPERATURE}"
      )
    for name, value in (("num", self.num), ("batch_size", self.batch_size)):
      if value <= 0:
        raise UserError(f"--{name} must be above 0")
    if self.sweeps < 0:
      raise UserError(f"--sweeps {self.sweeps} must be 0 or more")
    for index in self.only:
      if not 0 <= index < self.num:
        raise UserError(f"--only={index} is not in 0..{self.num - 1}")


class Soprano(NamedTuple):
  """The melody of a file.

  Attributes:
    tokens: int16 [sixteenths].
    octaves: that it was moved up to be heard.
    taken: what it is, for samples.json.
    tempos: of the file, at most the first.
  """

  tokens: np.ndarray
  octaves: int
  taken: str
  tempos: np.ndarray


def read_soprano(path: str, codec: codec_lib.Codec) -> Soprano:
  """The melody of a MIDI file as the first voice of the codec voices: the
  highest part that plays one note at a time, or else the top line of the
  highest part.

  Raises UserError where there is none or no octave suits it.
  """
  piece = inputs.read_piece("input", path)
  try:
    part = melody.melody_part(piece)
    low, high = int(part["pitch"].min()), int(part["pitch"].max())
    octaves = min(
      range(-MAX_OCTAVES, MAX_OCTAVES + 1),
      key=lambda k: (_beyond(low + 12 * k, high + 12 * k), abs(k)),
    )
    heard = part.copy()
    heard["pitch"] = part["pitch"].astype(int) + 12 * octaves
    tokens = voices.quantise(piece, [heard])[:, 0]
  except codec_lib.Unencodable as error:
    raise UserError(
      f"--input={path} has no melody that codec {codec.name!r} can say: {error}"
    ) from None
  name = codec_lib.part_name(part)
  taken = name if melody.is_one_voiced(part) else f"top line of {name}"
  return Soprano(tokens, octaves, taken, piece.tempos[:1])


def _beyond(low: int, high: int) -> int:
  return max(0, SOPRANO_RANGE[0] - low) + max(0, high - SOPRANO_RANGE[1])


def to_piece(tokens: np.ndarray, soprano: Soprano) -> notes.Piece:
  """The piece that tokens [N] say, at the pitch and tempo of the input."""
  piece = voices.decode(tokens)
  table = piece.notes.copy()
  table["pitch"] = table["pitch"].astype(int) - 12 * soprano.octaves
  tempos = soprano.tempos.copy()
  tempos["tick"] = 0
  return dataclasses.replace(piece, notes=table, tempos=tempos)


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
  """Harmonises all pieces and writes them; the arguments and what is returned
  are those of `run.sample`.

  Raises UserError where the checkpoint is of another codec.
  """
  settings.check()
  config, codec = config_lib.from_dict(meta["config"]), codec_of(meta)
  if codec.name != voices.CODEC.name:
    raise UserError(
      f"--mode={modes.HARMONISE} needs a model of codec {voices.CODEC.name!r},"
      f" and this checkpoint is of {codec.name!r}: train configs/voices.py"
    )
  path = settings.inputs[0]
  soprano = read_soprano(path, codec)
  header = header | {
    "settings": json.loads(json.dumps(dataclasses.asdict(settings))),
    "soprano": {
      "input": path,
      "taken": soprano.taken,
      "heard_octaves_higher": soprano.octaves,
    },
  }
  run.open_folder(folder, header, overwrite)
  model = language_model.from_config(config.model, codec)
  step_params = language_model.step_params(params, config.model.dtype)
  wanted = sorted(set(settings.only)) or range(settings.num)
  # Never more rows than pieces: a sweep costs as much for each.
  size = min(settings.batch_size, settings.num)
  rows: list[dict] = []
  numbers = sorted({index // size for index in wanted})
  for number in tqdm.tqdm(numbers, "harmonise", unit=" batches", delay=2):
    indices = np.arange(number * size, (number + 1) * size)
    before, after = harmonise.harmonise(
      step_params,
      model,
      codec,
      soprano.tokens,
      indices=indices,
      sweeps=settings.sweeps,
      temperature=settings.temperature,
      seed=settings.seed,
    )
    nll_before, nll_after = (
      score(params, model, codec, tokens) for tokens in (before, after)
    )
    for row, index in enumerate(indices.tolist()):
      if index not in wanted:
        continue
      piece = to_piece(after[row], soprano)
      file = folder / f"piece-{index:05d}.mid"
      run.write_piece(piece, file, png, soundfont)
      rows.append(
        {"index": index, "file": file.name, "tokens": len(after[row])}
        | {"nats_left_to_right": round(float(nll_before[row]), 3)}
        | {"nats": round(float(nll_after[row]), 3)}
        | run.describe(piece)
      )
  return run.write_index(folder, header | {"pieces": rows})


def score(
  params: dict,
  model: language_model.LanguageModel,
  codec: codec_lib.Codec,
  tokens: np.ndarray,
) -> np.ndarray:
  """Nats [B] of whole pieces tokens [B, N], soprano and end included."""
  framed = [codec.framed(row) for row in tokens]
  pieces = corpus.from_pieces(framed, [{}] * len(framed), {})
  return likelihood.score(model, [jax.device_put(params)], pieces, codec).nll
