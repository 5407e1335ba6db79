"""Exports pieces of music21's corpus to MIDI files with labels.

  python -m data_prep.export_corpus --corpus=bach,fiddle --output_dir=midi

writes one `.mid` per piece and, when all are there, `skipped.csv` (piece,
reason) and `labels.csv` (path, genre, composer, title). Killed at any moment,
the same command goes on where it stopped: a MIDI file gets its name only when
it is whole. The bytes do not depend on --workers.
"""

import collections
import concurrent.futures
import csv
import importlib.metadata
import io
import json
import multiprocessing
import os
import pathlib
import signal
import threading
import warnings
from collections.abc import Iterable
from concurrent.futures.process import BrokenProcessPool

import tqdm
from absl import flags

from data_prep import corpus_scores, corpus_sources
from data_prep.corpus_sources import Source
from musegen_jax import errors
from musegen_jax.data import midi
from musegen_jax.errors import UserError

EXPORT_VERSION = 1  # raise it when the same corpus gives other MIDI files
PIECES_PER_TASK = 8

NOTICES = {
  "folk": "The Essen folk songs are for non-commercial use: the keeper of the "
  "data permits non-commercial distribution and use in music21; their legal "
  "status is otherwise unclear (music21/corpus/essenFolksong/license.txt).",
  "renaissance": "The encoder of the Palestrina masses reserves the rights to "
  "all derivative electronic formats (at the end of each .krn file).",
}


def export(
  corpora: list[str],
  output_dir: pathlib.Path,
  workers: int,
  limit: int | None = None,
) -> None:
  """Exports the first `limit` pieces of each corpus and prints a summary.

  What an earlier run exported or skipped is kept, nothing is parsed twice.
  Raises UserError if a corpus is unknown, music21 is missing, the folder holds
  MIDI files of another export, or nothing could be exported.
  """
  sources = select(corpora, limit)
  _check_folder(output_dir, sources)
  skipped = _known_skipped(output_dir, sources)
  tasks = [
    (source, output_dir)
    for source in sources
    if source.path not in skipped and not _is_done(output_dir / source.path)
  ]
  if tasks:
    # From here until all is done the folder has no labels, so that nobody
    # takes a part for the whole.
    (output_dir / "labels.csv").unlink(missing_ok=True)
    for corpus in {source.corpus for source, _ in tasks}:
      (output_dir / corpus).mkdir(exist_ok=True)
    skipped |= _run(tasks, workers)
  _write_tables(output_dir, sources, skipped)
  _print_summary(sources, skipped, len(tasks))
  if len(skipped) == len(sources):
    raise UserError(
      f"no piece could be exported; {output_dir}/skipped.csv says why"
    )


def select(corpora: list[str], limit: int | None) -> list[Source]:
  """Lists the first `limit` pieces of each corpus, sorted by path."""
  choices = ", ".join(corpus_sources.CORPORA)
  unknown = [name for name in corpora if name not in corpus_sources.CORPORA]
  if unknown or not corpora:
    name = unknown[0] if unknown else ""
    raise UserError(f"unknown corpus {name!r}; choose from {choices}")
  return [
    source
    for corpus in sorted(set(corpora))
    for source in corpus_sources.list_sources(corpus, limit)
  ]


def _check_folder(output_dir: pathlib.Path, sources: list[Source]) -> None:
  made_by = json.dumps(
    {
      "export_version": EXPORT_VERSION,
      "music21": importlib.metadata.version("music21"),
    }
  )
  record = output_dir / "export.json"
  if record.exists() and record.read_text(encoding="utf-8") != made_by:
    raise UserError(
      f"{output_dir} was exported by another version than {made_by}; choose "
      "another --output_dir or delete that one"
    )
  expected = {source.path for source in sources}
  for file in sorted(output_dir.rglob("*.mid")):
    if file.relative_to(output_dir).as_posix() not in expected:
      raise UserError(
        f"{file} is not in this selection and would have no label; choose "
        "another --output_dir, or a --corpus and --limit that cover it"
      )
  output_dir.mkdir(parents=True, exist_ok=True)
  _replace_file(record, made_by)


def _known_skipped(
  output_dir: pathlib.Path, sources: list[Source]
) -> dict[str, str]:
  file = output_dir / "skipped.csv"
  if not file.exists():
    return {}
  rows = csv.DictReader(io.StringIO(file.read_text(encoding="utf-8")))
  reasons = {row["piece"]: row["reason"] for row in rows}
  return {
    source.path: reasons[source.path]
    for source in sources
    if source.path in reasons
  }


def _is_done(file: pathlib.Path) -> bool:
  return file.exists() and file.stat().st_size > 0


def _run(
  tasks: list[tuple[Source, pathlib.Path]], workers: int
) -> dict[str, str]:
  """Exports the pieces in spawned processes; returns path -> skip reason."""
  executor = concurrent.futures.ProcessPoolExecutor(
    max_workers=min(workers, len(tasks)),
    mp_context=multiprocessing.get_context("spawn"),
    initializer=_start_worker,
  )
  try:
    reasons = tqdm.tqdm(
      executor.map(export_piece, tasks, chunksize=PIECES_PER_TASK),
      desc="export",
      total=len(tasks),
      unit="piece",
    )
    return {
      source.path: reason
      for (source, _), reason in zip(tasks, reasons, strict=True)
      if reason
    }
  except BrokenProcessPool as error:
    raise UserError(
      "a worker process was killed (out of memory?); run the command again "
      "with fewer --workers, it keeps what is done"
    ) from error
  finally:
    executor.shutdown(cancel_futures=True)


def _start_worker() -> None:
  # Ctrl-C reaches the whole group; the parent alone reports it.
  signal.signal(signal.SIGINT, signal.SIG_IGN)
  warnings.simplefilter("ignore")
  threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
  multiprocessing.parent_process().join()
  os._exit(1)  # the parent was killed: nobody waits for this worker


def export_piece(task: tuple[Source, pathlib.Path]) -> str:
  """Writes the MIDI file of a piece; returns "" or why it is skipped."""
  source, output_dir = task
  try:
    piece = corpus_scores.read_piece(source)
  except corpus_scores.UnusableError as error:
    return str(error)
  midi.write_midi(piece, output_dir / source.path)
  return ""


def _write_tables(
  output_dir: pathlib.Path, sources: list[Source], skipped: dict[str, str]
) -> None:
  labels = [
    (source.path, source.corpus, source.composer, source.title)
    for source in sources
    if source.path not in skipped
  ]
  _replace_file(
    output_dir / "skipped.csv",
    _csv_text(("piece", "reason"), sorted(skipped.items())),
  )
  _replace_file(
    output_dir / "labels.csv",
    _csv_text(("path", "genre", "composer", "title"), labels),
  )


def _csv_text(header: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
  text = io.StringIO()
  writer = csv.writer(text, lineterminator="\n")
  writer.writerow(header)
  writer.writerows(rows)
  return text.getvalue()


def _replace_file(path: pathlib.Path, text: str) -> None:
  temporary = path.with_name(path.name + ".tmp")
  with open(temporary, "w", encoding="utf-8", newline="") as file:
    file.write(text)
    file.flush()
    os.fsync(file.fileno())
  os.replace(temporary, path)


def _print_summary(
  sources: list[Source], skipped: dict[str, str], tried: int
) -> None:
  pieces = collections.Counter(source.corpus for source in sources)
  lost = collections.Counter(
    source.corpus for source in sources if source.path in skipped
  )
  print(f"{len(sources) - tried} of {len(sources)} pieces were there already")
  for corpus, count in sorted(pieces.items()):
    print(f"{corpus}: {count - lost[corpus]} exported, {lost[corpus]} skipped")
  kinds = collections.Counter(
    reason.split(":")[0] for reason in skipped.values()
  )
  for kind, count in sorted(kinds.items()):
    print(f"skipped, {kind}: {count}")
  for corpus in sorted(pieces.keys() & NOTICES.keys()):
    print(NOTICES[corpus])


def define_flags() -> None:
  """Defines the flags of this program."""
  flags.DEFINE_list("corpus", "bach", "Any of bach, fiddle, folk, renaissance.")
  flags.DEFINE_string(
    "output_dir", None, "Folder of the MIDI files.", required=True
  )
  flags.DEFINE_integer(
    "workers", os.cpu_count(), "Number of processes.", lower_bound=1
  )
  flags.DEFINE_integer(
    "limit", None, "Pieces of each corpus, the first ones.", lower_bound=1
  )


def main(argv: list[str]) -> None:
  """Runs `export` with the flags."""
  if argv[1:]:
    raise UserError(f"unknown argument {argv[1]!r}; flags start with --")
  options = flags.FLAGS
  export(
    options.corpus,
    pathlib.Path(options.output_dir),
    options.workers,
    options.limit,
  )


if __name__ == "__main__":
  define_flags()
  errors.run(main)
