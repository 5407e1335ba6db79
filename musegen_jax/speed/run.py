"""The parts of the bench, one after another."""

import dataclasses
import pathlib
from collections.abc import Callable, Sequence

import jax

from musegen_jax.speed import (
  data,
  layer,
  machine,
  report,
  sample,
  scale,
  startup,
  table,
  train,
  xla_flags,
)
from musegen_jax.speed.sizes import Sizes
from musegen_jax.speed.timing import Settings

SECTIONS = ("layer", "train", "sample", "data", "startup", "scale", "flags")
# They show shares of the machine's limits.
_NEED_LIMITS = {"layer", "train", "sample", "scale"}
# They start processes, which want memory of a card before we have filled it.
_START_PROCESSES = {"startup", "flags"}
_TINY = Sizes(2, 8, 16, 2, 8)


@dataclasses.dataclass(frozen=True)
class Plan:
  """What to measure.

  Attributes:
    what: of SECTIONS.
    data_dir: shards for the parts that read data.
    folder: for the report's files, or None.
    write_table: measure the table of implementations, too.
    tiny: small sizes, to see that everything runs.
  """

  what: Sequence[str]
  data_dir: pathlib.Path
  folder: pathlib.Path | None
  write_table: bool
  tiny: bool


def run(settings: Settings, plan: Plan, show: Callable[[str], None]) -> None:
  """Measures part by part; each is shown, and written, when it is done."""
  # Else the seconds of compilation would be those of reading files.
  jax.config.update("jax_enable_compilation_cache", False)
  described, sections, limits = machine.describe(settings), [], None

  def add(section: report.Section) -> None:
    sections.append(section)
    show(report.text(section))
    if plan.folder:
      report.write(plan.folder, described, sections)

  show(", ".join(f"{name}: {value}" for name, value in described.items()))
  if _NEED_LIMITS & set(plan.what):
    extent = machine.extent(settings.platform)
    if plan.tiny:
      extent = machine.Extent(dict.fromkeys(extent.gemm, 64), 1 << 16)
    limits, section = machine.measure(settings, extent)
    add(section)
  for name in sorted(plan.what, key=lambda name: name not in _START_PROCESSES):
    add(_section(name, settings, plan, limits))
  if plan.write_table:
    table.write(settings, table.grid(settings.platform))


def _section(
  name: str, settings: Settings, plan: Plan, limits: machine.Limits | None
) -> report.Section:
  platform, tiny = settings.platform, plan.tiny
  match name:
    case "layer":
      chosen = [_TINY] if tiny else layer.sizes(platform)
      return layer.run(settings, limits, chosen)
    case "train":
      chosen = [_TINY] if tiny else train.sizes(platform)
      studies = {} if tiny else train.vae_studies()
      return train.run(settings, limits, chosen, studies)
    case "sample":
      chosen = [_TINY] if tiny else sample.sizes(platform)
      return sample.run(settings, limits, chosen)
    case "data":
      return data.run(settings, plan.data_dir)
    case "startup":
      return startup.run(settings, plan.data_dir)
    case "scale":
      axes = scale.tiny(_TINY) if tiny else scale.axes(platform)
      return scale.run(settings, limits, axes)
    case "flags":
      return xla_flags.run(settings, train.sizes(platform))
