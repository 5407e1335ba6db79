"""Docs are code: commands parse, paths exist, scripts have sound syntax."""

import functools
import pathlib
import re
import shlex
import subprocess

import pytest

from musegen_jax import config as config_lib
from tests.conftest import ROOT, run_module

README = (ROOT / "README.md").read_text()
CONFIGS = sorted((ROOT / "configs").glob("*.py"))
SCRIPTS = sorted((ROOT / "launch").glob("*.sh"))
# What commands make, or the reader brings.
MADE = (
  "data/",
  "runs/",
  "samples/",
  "quickstart/",
  "comparison/",
  "report/",
  "my_midi",
)


def commands(text: str) -> list[str]:
  """Lines of `text` that call Python modules, continuations joined."""
  joined = re.sub(r"\\\n\s*", " ", text)
  return re.findall(r"python -m [\w.]+(?: +--[^\n`;|>]*)?", joined)


def every_command() -> list[str]:
  texts = [README] + [path.read_text() for path in CONFIGS + SCRIPTS]
  found = {" ".join(one.split()) for text in texts for one in commands(text)}
  own = ("python -m musegen_jax", "python -m data_prep", "python -m tests")
  return sorted(one for one in found if one.startswith(own))


@functools.cache
def help_of(module: str) -> str:
  return run_module(module, "--helpfull", check=False).stdout


@pytest.mark.parametrize("command", every_command())
def test_command_has_a_module_and_known_flags(command: str) -> None:
  _, _, module, *arguments = shlex.split(command)
  names = [a.split("=")[0].removeprefix("--") for a in arguments]
  names = [n for n in names if n and "$" not in n]
  if not names:
    return
  known = help_of(module)
  for name in names:
    if name.startswith("config."):
      node = config_lib.Config()
      for part in name.split(".")[1:]:
        node = getattr(node, part)
    else:
      plain = name.removeprefix("no")
      assert re.search(rf"--(\[no\])?({name}|{plain})\b", known), name


def test_paths_in_the_readme_exist() -> None:
  named = re.findall(r"`([\w./-]+/[\w./-]*)`", README)
  named += re.findall(r"bash ([\w./-]+\.sh)", README)
  assert len(named) > 10
  for path in named:
    if not path.startswith(MADE):
      assert (ROOT / path).exists(), path


def test_every_flag_named_in_the_readme_exists() -> None:
  modules = ["data_prep.build_shards", "data_prep.export_corpus"]
  modules += ["data_prep.import_frames"]
  modules += [
    f"musegen_jax.{name}"
    for name in (
      "train",
      "evaluate",
      "sample",
      "embed",
      "compare",
      "benchmark",
      "bench",
      "search",
    )
  ]
  known = "".join(help_of(module) for module in modules)
  for name in set(re.findall(r"`--(\w+)", README)):
    plain = name.removeprefix("no")
    assert re.search(rf"--(\[no\])?({name}|{plain})\b", known), name


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda p: p.name)
def test_script_syntax(path: pathlib.Path) -> None:
  done = subprocess.run(["bash", "-n", path], capture_output=True, text=True)
  assert done.returncode == 0, done.stderr
