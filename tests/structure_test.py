"""The rules of the house: what may import what, what loads without JAX, that
configs build and every field is read."""

import ast
import dataclasses
import importlib.util
import pathlib
import subprocess
import sys

import pytest

from musegen_jax import config as config_lib
from musegen_jax import config_rules
from musegen_jax.errors import UserError
from tests.conftest import ROOT

SOURCES = sorted((ROOT / "musegen_jax").rglob("*.py"))
CONFIGS = sorted((ROOT / "configs").glob("*.py"))
# Data flows down this list; a file imports from its own room or one above.
ROOMS = [
  {"errors", "atomic", "startup", "config", "config_rules"},
  {"data"},
  {"plots", "report_plots"},
  {"models"},
  {"evaluation", "sampling"},
  {"training"},
  {"comparison"},
  {"speed"},
  {
    "train",
    "evaluate",
    "compare",
    "sample",
    "sample_flags",
    "embed",
    "benchmark",
    "bench",
    "search",
    "frame_flags",
  },
]
ONE_DOOR = {
  "mido": "musegen_jax/data/midi.py",
  "symusic": "musegen_jax/data/symusic_reader.py",
  "orbax": "musegen_jax/training/checkpoints.py",
  "tensorboardX": "musegen_jax/training/writer.py",
  "matplotlib": "musegen_jax/plots.py",
  "torch": "musegen_jax/speed/peers_torch.py",
}


def imports(path: pathlib.Path) -> set[str]:
  """Full names of the modules a file imports, wherever it does."""
  names = set()
  for node in ast.walk(ast.parse(path.read_text())):
    if isinstance(node, ast.Import):
      names |= {alias.name for alias in node.names}
    elif isinstance(node, ast.ImportFrom):
      names |= {f"{node.module}.{alias.name}" for alias in node.names}
  return names


def room_of(module: str) -> int:
  name = module.split(".")[1]
  return next(i for i, room in enumerate(ROOMS) if name in room)


@pytest.mark.parametrize(
  "path", SOURCES, ids=lambda p: str(p.relative_to(ROOT))
)
def test_nothing_imports_back_up(path: pathlib.Path) -> None:
  parts = path.relative_to(ROOT).with_suffix("").parts
  if len(parts) == 2 and parts[1] == "__init__":
    return
  own = room_of(".".join(parts))
  for module in imports(path):
    if module.startswith("musegen_jax."):
      assert room_of(module) <= own, f"{path.name} imports {module}"


@pytest.mark.parametrize("package", sorted(ONE_DOOR))
def test_one_door_per_foreign_library(package: str) -> None:
  folders = [ROOT / "musegen_jax", ROOT / "data_prep"]
  users = [
    str(path.relative_to(ROOT))
    for folder in folders
    for path in folder.rglob("*.py")
    if any(name.split(".")[0] == package for name in imports(path))
  ]
  assert users == [ONE_DOOR[package]]


def test_data_side_loads_without_jax() -> None:
  modules = [
    ".".join(path.relative_to(ROOT).with_suffix("").parts)
    for folder in ("musegen_jax/data", "data_prep")
    for path in (ROOT / folder).rglob("*.py")
    if path.name not in ("__init__.py", "__main__.py")
  ]
  code = (
    f"import sys, importlib; [importlib.import_module(m) for m in {modules}];"
    "assert 'jax' not in sys.modules"
  )
  done = subprocess.run(
    [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True
  )
  assert done.returncode == 0, done.stderr


def load_config(path: pathlib.Path) -> config_lib.Config:
  spec = importlib.util.spec_from_file_location(path.stem, path)
  module = importlib.util.module_from_spec(spec)
  spec.loader.exec_module(module)
  return module.get_config()


@pytest.mark.parametrize("path", CONFIGS, ids=lambda p: p.stem)
def test_config_is_sound_and_survives_json(path: pathlib.Path) -> None:
  config = load_config(path)
  config_rules.check(config)
  again = config_lib.from_dict(dataclasses.asdict(config))
  assert again == config


def fields() -> list[tuple[str, str]]:
  sections = config_lib.Config().__dict__
  return [
    (section, field)
    for section, value in sections.items()
    for field in value.__dict__
  ]


@pytest.mark.parametrize(("section", "field"), fields())
def test_every_field_is_read(section: str, field: str) -> None:
  readers = [
    path
    for path in SOURCES
    if path.name not in ("config.py", "config_rules.py")
    and f".{field}" in path.read_text()
  ]
  # The property shuffle_seed reads it for all others.
  if field != "shuffle_tokens":
    assert readers, f"nothing reads {section}.{field}"


@pytest.mark.parametrize(
  ("section", "field", "value", "says"),
  [
    ("train", "batch_size", 30, "not a multiple of devices"),
    ("train", "batch_size", 0, "at least 1"),
    ("train", "window", 0, "train.window 0"),
    ("train", "accumulate", 3, "4 x 3"),
    ("model", "dropout", 1.0, "model.dropout"),
    ("model", "dtype", "float16", "float16"),
    ("model", "implementation", "cudnn", "'cudnn' is not in: auto, scan"),
    ("optimizer", "warmup_steps", 99999, "warmup_steps 99999"),
    ("optimizer", "frozen", "(", "regular expression"),
    ("data", "transpose_semitones", 13, "0..12"),
    ("data", "stretch", 0.9, "0..0.5"),
    ("data", "steps_per_beat", -1, "steps_per_beat -1 not in 0..24"),
    ("data", "steps_per_beat", 25, "steps_per_beat 25 not in 0..24"),
  ],
)
def test_contradictions_are_named(
  section: str, field: str, value: object, says: str
) -> None:
  config = config_lib.Config()
  setattr(getattr(config, section), field, value)
  with pytest.raises(UserError, match=says):
    config_rules.check(config, devices=4)


def test_stored_config_of_another_version() -> None:
  with pytest.raises(UserError, match="stored config"):
    config_lib.from_dict({"data": {"gone": 1}})


def test_differences_name_the_leaves() -> None:
  old = {"a": {"b": 1, "c": 2}, "d": 3}
  new = {"a": {"b": 1, "c": 5}, "e": 3}
  assert config_lib.differences(old, new) == [
    "a.c: 2 -> 5",
    "d: 3 -> None",
    "e: None -> 3",
  ]
