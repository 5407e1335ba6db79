"""Which pieces music21's corpus holds, with their titles; parses nothing.

The files are read where music21 put them. Titles come from the text of the
files and, for Bach, from music21's lists of chorales.
"""

import dataclasses
import functools
import pathlib
import re
import types

from musegen_jax.errors import UserError


@dataclasses.dataclass(frozen=True)
class Folder:
  """A folder of music21's corpus; `tunes`: each tune of a file is a piece."""

  name: str
  suffixes: tuple[str, ...]
  composer: str
  tunes: bool = False


# Kern files of bach/ are second encodings of chorales that are there as .mxl.
# Left out of the renaissance: ciconia, luca and trecento, which are older.
CORPORA = {
  "bach": (Folder("bach", (".mxl", ".xml"), "Johann Sebastian Bach"),),
  "fiddle": (
    Folder("oneills1850", (".abc",), "traditional", tunes=True),
    Folder("ryansMammoth", (".abc",), "traditional", tunes=True),
  ),
  "folk": (Folder("essenFolksong", (".abc",), "traditional", tunes=True),),
  "renaissance": (
    Folder("josquin", (".abc",), "Josquin des Prez"),
    Folder("lusitano", (".mxl",), "Vicente Lusitano"),
    Folder("monteverdi", (".mxl",), "Claudio Monteverdi"),
    Folder("palestrina", (".krn",), "Giovanni Pierluigi da Palestrina"),
  ),
}


@dataclasses.dataclass(frozen=True)
class Source:
  """One piece of the corpus, not parsed yet.

  Attributes:
    path: where its MIDI file goes, relative to the output folder.
    corpus: its key in `CORPORA`.
    composer: name, or "traditional".
    title: the same for pieces on the same tune, as far as the corpus says.
    file: the file that holds it.
    text: its ABC text if the file holds several pieces, else "".
  """

  path: str
  corpus: str
  composer: str
  title: str
  file: str
  text: str = ""


def load_music21() -> types.ModuleType:
  """Imports music21, or raises UserError with the way to install it."""
  try:
    import music21
  except ImportError as error:
    raise UserError(
      "music21 is missing; pip install 'musegen-jax[corpus]'"
    ) from error
  return music21


def list_sources(corpus: str, limit: int | None = None) -> list[Source]:
  """Lists the pieces of a corpus, sorted by path, the first `limit` of them.

  Nothing is parsed: titles come from the text of the files and, for Bach, from
  music21's list of chorales. Raises UserError if music21 lacks the files.
  """
  root = pathlib.Path(load_music21().__file__).parent / "corpus"
  sources = []
  for folder in CORPORA[corpus]:
    files = sorted((root / folder.name).glob("*"))
    files = [file for file in files if file.suffix in folder.suffixes]
    if not files:
      raise UserError(
        f"music21 came without its corpus folder {folder.name!r}; reinstall "
        "it: pip install --force-reinstall music21"
      )
    for file in files:
      sources += _file_sources(corpus, folder, file)
  return sorted(sources, key=lambda source: source.path)[:limit]


def _file_sources(
  corpus: str, folder: Folder, file: pathlib.Path
) -> list[Source]:
  safe_stem = re.sub(r"[^A-Za-z0-9._-]+", "_", file.stem)
  stem = f"{corpus}/{folder.name}-{safe_stem}"
  if not folder.tunes:
    title = _title(folder.name, file)
    return [Source(f"{stem}.mid", corpus, folder.composer, title, str(file))]
  texts = split_tunes(_read_text(file))
  sources = []
  for index, text in enumerate(texts, start=1):
    path = f"{stem}-{index:04d}.mid" if len(texts) > 1 else f"{stem}.mid"
    title = _field(r"^T:(.*)$", text) or f"{file.stem} {index}"
    composer = _field(r"^C:(.*)$", text) or folder.composer
    sources.append(Source(path, corpus, composer, title, str(file), text))
  return sources


def split_tunes(text: str) -> list[str]:
  """Splits an ABC file at its X: lines into the texts of its tunes.

  Each tune is then parsed alone, so that a bad one does not hide the rest and
  two tunes of the same number both count.
  """
  return re.split(r"^(?=X:)", text, flags=re.MULTILINE)[1:]


def _read_text(file: pathlib.Path) -> str:
  data = file.read_bytes()
  try:
    return data.decode("utf-8")
  except UnicodeDecodeError:
    return data.decode("latin-1")


def _field(pattern: str, text: str) -> str:
  match = re.search(pattern, text, re.MULTILINE)
  return " ".join(match[1].split()) if match else ""


def _title(folder: str, file: pathlib.Path) -> str:
  if folder == "bach":
    return chorale_title(file.stem.removeprefix("bwv"))
  if folder == "palestrina":
    text = _read_text(file)
    # Sections of a movement have titles such as "First Section"; the movement
    # itself is named by the file alone.
    movement = file.stem.split("_")[0]
    section = _field(r"^!!!OTL:(.*)$", text)
    if section.startswith(movement):
      movement, section = section, ""
    names = (_field(r"^!!!OPR:(.*)$", text), movement, section)
    return ": ".join(name for name in names if name)
  if folder == "josquin":
    return _field(r"^T:(.*)$", _read_text(file))
  # Two encodings of one madrigal differ by `_old` in the file name.
  return file.stem.removesuffix("_old").replace("_", " ")


def chorale_title(number: str) -> str:
  """Title of chorale BWV `number` such as "248.12-2", else "BWV 248.12-2"."""
  titles = _chorale_titles()
  base = number.split("-")[0]
  return titles.get(number) or titles.get(base) or f"BWV {number}"


@functools.cache
def _chorale_titles() -> dict[str, str]:
  chorales = load_music21().corpus.chorales
  listed = {
    str(number): chorale["title"]
    for chorale_list in (chorales.ChoraleList(), chorales.ChoraleListRKBWV())
    for number, chorale in chorale_list.byBWV.items()
  }
  bases = {number.split("-")[0]: title for number, title in listed.items()}
  return bases | listed
