"""Flags that the benchmark and its search share: data sets, and the config
each of them is trained with."""

import importlib.util
import inspect
import pathlib
import re
import sys
import types

from absl import flags
from ml_collections import config_flags

from musegen_jax import config as config_lib
from musegen_jax import config_rules, errors
from musegen_jax.data.codecs import codec as codec_lib
from musegen_jax.errors import UserError
from musegen_jax.evaluation.frame_published import SETS
from musegen_jax.training import frame_search, frame_sources
from musegen_jax.training.frame_sources import Source

Studies = dict[str, dict[str, config_lib.Config]]

_OVERRIDE = re.compile(r"--?(config\.[\w.]+)")


def define(default_data: str) -> None:
  """Declares --data, --data_dir, --config and the overrides of --config that
  stand on the command line."""
  flags.DEFINE_list(
    "data",
    default_data,
    f"Data sets: {', '.join(SETS)}, .npz files like theirs, or folders made by"
    " data_prep.build_shards.",
  )
  flags.DEFINE_string(
    "data_dir", "../shared/data/benchmark", "Folder of the published files."
  )
  flags.DEFINE_list(
    "config",
    "configs/frames_autoregressive.py",
    "Studies; --config.train.steps=100 overrides a field for all sets.",
  )
  # Declared as text: each set's own config says what type the field has.
  matches = [_OVERRIDE.match(argument) for argument in sys.argv[1:]]
  for name in dict.fromkeys(match[1] for match in matches if match):
    flags.DEFINE_string(name, None, "An override.")


def read(
  names: list[str], data_dir: str, paths: list[str]
) -> tuple[list[Source], Studies]:
  """The data sets of --data and the studies of --config.

  Published sets hand their names to a config file's get_config; folders of
  shards are read on their configs' grid. Raises UserError where one thing is
  named twice or missing, or studies differ in the grid of one folder; fields
  that do not exist or do not fit end the process with one line.
  """
  for flag, given in (("--data", names), ("--config", paths)):
    if not given:
      raise UserError(f"{flag} is empty: name at least one")
  stems = [pathlib.Path(path).stem for path in paths]
  located = [frame_sources.locate(name, data_dir) for name in names]
  frame_sources.check_names(stems, "--config")
  frame_sources.check_names([name for name, _ in located], "--data")
  studies = {
    stem: {name: _config(path, name) for name, _ in located}
    for stem, path in zip(stems, paths, strict=True)
  }
  sources = []
  for name, where in located:
    configs = [by_set[name] for by_set in studies.values()]
    grid = _same(where, "data.steps_per_beat", configs)
    articulation = _same(where, "frames.articulation", configs)
    codec = codec_lib.of("frames", grid)
    sources.append(frame_sources.read(name, where, codec, articulation))
  return sources, studies


def _same(
  where: pathlib.Path, field: str, configs: list[config_lib.Config]
) -> int:
  """The value of a field in which studies must agree: with another one they
  would be scored on other data. Raises UserError where they do not."""
  section, name = field.split(".")
  values = {getattr(getattr(config, section), name) for config in configs}
  if len(values) > 1:
    raise UserError(
      f"studies differ in {field} on {where}, so their figures cannot stand in"
      f" one table; set --config.{field} for all"
    )
  return values.pop()


def _config(path: str, name: str) -> config_lib.Config:
  overrides = [
    f"--{flag}={flags.FLAGS[flag].value}"
    for flag in flags.FLAGS
    if flag.startswith("config.")
  ]
  takes_name = inspect.signature(_module(path).get_config).parameters
  where = f"{path}:{name}" if name in SETS and takes_name else path
  argv = [sys.argv[0], f"--config={where}", *overrides]
  values = flags.FlagValues()

  def parse() -> config_lib.Config:
    config_flags.DEFINE_config_file("config", flag_values=values, sys_argv=argv)
    values(argv)
    return values.config

  config = errors.guard_flags(parse)
  config_rules.check(config)
  if config.model.kind != "frames":
    raise UserError(
      f"--config={path} is a study of model.kind {config.model.kind!r}, not of"
      " frames; give one like configs/frames_autoregressive.py"
    )
  return config


def space(path: str) -> frame_search.Space:
  """What a config file lists in get_space(): the values of fields to search.

  Raises UserError where it has none.
  """
  listed = getattr(_module(path), "get_space", dict)()
  if not listed or not all(listed.values()):
    raise UserError(
      f"--config={path} has no space to search: give it a function get_space()"
      ' that returns {"model.dropout": [0.1, 0.3]} and the like'
    )
  return listed


def _module(path: str) -> types.ModuleType:
  if not pathlib.Path(path).is_file():
    raise UserError(
      f"--config={path} does not exist; give a file like"
      " configs/frames_autoregressive.py"
    )
  spec = importlib.util.spec_from_file_location(pathlib.Path(path).stem, path)
  loaded = importlib.util.module_from_spec(spec)
  errors.guard_flags(lambda: spec.loader.exec_module(loaded))
  return loaded
