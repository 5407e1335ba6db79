"""MIDI to WAV through the fluidsynth program, where it is installed."""

import os
import pathlib
import shutil
import subprocess

from musegen_jax.errors import UserError

SOUNDFONT_FOLDERS = (
  "/usr/share/sounds/sf2",
  "/usr/share/soundfonts",
  "/usr/local/share/soundfonts",
)


def find_soundfont(soundfont: str) -> pathlib.Path:
  """The given .sf2 file, or the first one that the system has."""
  if soundfont:
    if not pathlib.Path(soundfont).is_file():
      raise UserError(f"--soundfont={soundfont} is no file")
    return pathlib.Path(soundfont)
  for folder in SOUNDFONT_FOLDERS:
    for path in sorted(pathlib.Path(folder).glob("*.sf[23]")):
      return path
  raise UserError(
    "no soundfont found; install one (Debian: apt-get install"
    " timgm6mb-soundfont) or give --soundfont=FILE.sf2"
  )


def check(soundfont: str) -> pathlib.Path:
  """Raises UserError unless `render` can work; returns the soundfont."""
  if not shutil.which("fluidsynth"):
    raise UserError(
      "--wav needs the program fluidsynth (Debian: apt-get install"
      " fluidsynth); without it leave --wav out"
    )
  return find_soundfont(soundfont)


def render(midi: pathlib.Path, wav: pathlib.Path, font: pathlib.Path) -> None:
  """Writes a WAV file, 44.1 kHz stereo, whole or not at all."""
  temporary = wav.with_name(f".{wav.name}.tmp.wav")
  command = ["fluidsynth", "-ni", "-q", "-r", "44100", "-F", str(temporary)]
  done = subprocess.run(
    [*command, str(font), str(midi)], capture_output=True, text=True
  )
  if done.returncode or not temporary.exists():
    temporary.unlink(missing_ok=True)
    raise UserError(f"fluidsynth failed on {midi}: {done.stderr.strip()[:200]}")
  os.replace(temporary, wav)
