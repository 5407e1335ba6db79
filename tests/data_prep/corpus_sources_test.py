"""Which pieces the corpus holds, their file names and their titles."""

import re
import sys

import pytest

from data_prep import corpus_sources
from musegen_jax.errors import UserError

music21 = pytest.importorskip("music21")


@pytest.fixture(scope="module")
def sources() -> dict[str, list[corpus_sources.Source]]:
  return {
    corpus: corpus_sources.list_sources(corpus)
    for corpus in corpus_sources.CORPORA
  }


# Tune counts: X: lines in music21 10.5.1, counted with grep.
@pytest.mark.parametrize(
  ("corpus", "count"),
  [
    ("bach", 410),
    ("fiddle", 2009 + 1059),
    ("folk", 8514),
    ("renaissance", 8 + 1 + 49 + 1318),
  ],
)
def test_every_piece_has_a_safe_name_of_its_own(
  sources: dict, corpus: str, count: int
) -> None:
  paths = [source.path for source in sources[corpus]]
  assert len({path.lower() for path in paths}) == len(paths) == count
  assert paths == sorted(paths)
  for path in paths:
    assert re.fullmatch(rf"{corpus}/[A-Za-z0-9][A-Za-z0-9._-]*\.mid", path)


@pytest.mark.parametrize(
  ("path", "composer", "title"),
  [
    (
      "bach/bach-bwv269.mid",
      "Johann Sebastian Bach",
      "Aus meines Herzens Grunde",
    ),
    ("bach/bach-bwv66.6.mid", "Johann Sebastian Bach", "BWV 66.6"),
    (
      "fiddle/ryansMammoth-7thRegimentReel.mid",
      "CONN. HIGGINS.",
      "7th Regiment -- Reel",
    ),
    (
      "fiddle/oneills1850-0001-0050-0001.mid",
      "traditional",
      "The Enchanted Valley",
    ),
    (
      "renaissance/palestrina-Agnus.mid",
      "Giovanni Pierluigi da Palestrina",
      "Missa De Beata Marie Virginis (I): Agnus",
    ),
    (
      "renaissance/palestrina-Gloria_20_a.mid",
      "Giovanni Pierluigi da Palestrina",
      "Missa Dies sanctificatus: Gloria: First Section",
    ),
    (
      "renaissance/josquin-milleRegrets.mid",
      "Josquin des Prez",
      "Mille regrets",
    ),
  ],
)
def test_labels(sources: dict, path: str, composer: str, title: str) -> None:
  corpus = path.split("/")[0]
  found = {source.path: source for source in sources[corpus]}[path]
  assert (found.composer, found.title) == (composer, title)


def test_settings_of_one_chorale_tune_share_a_title() -> None:
  titles = {
    corpus_sources.chorale_title(number)
    for number in ("227.1", "227.7", "358", "64.8", "81.7")
  }
  assert titles == {"Jesu, meine Freude"}
  assert corpus_sources.chorale_title(
    "248.23-s"
  ) == corpus_sources.chorale_title("248.23-2")


def test_both_encodings_of_a_madrigal_share_a_title(sources: dict) -> None:
  titles = [
    source.title
    for source in sources["renaissance"]
    if "madrigal.3.1." in source.path or "3.1_old" in source.path
  ]
  assert titles == ["madrigal.3.1"] * 2


def test_titles_are_those_music21_reads(sources: dict) -> None:
  for source in sources["folk"][::1500] + sources["fiddle"][::1000]:
    reader = music21.converter.Converter()
    reader.parseData(source.text, format="abc")
    assert source.title == " ".join(reader.stream.metadata.title.split())


def test_split_tunes_keeps_tunes_of_one_number_apart() -> None:
  text = "% header\nX:1\nT:a\nK:C\nC X:2|\n\nX:1\nT:b\nK:C\nD|\n"
  tunes = corpus_sources.split_tunes(text)
  assert [tune.split("\n")[1] for tune in tunes] == ["T:a", "T:b"]
  assert "".join(tunes) == text.removeprefix("% header\n")


def test_limit_takes_the_first(sources: dict) -> None:
  assert corpus_sources.list_sources("folk", 3) == sources["folk"][:3]


def test_missing_music21_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
  monkeypatch.setitem(sys.modules, "music21", None)
  with pytest.raises(UserError, match=r"pip install 'musegen-jax\[corpus\]'"):
    corpus_sources.list_sources("bach")
