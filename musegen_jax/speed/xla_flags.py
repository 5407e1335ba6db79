"""--what=flags: the training step on a GPU under flags of XLA."""

from musegen_jax.speed import child, report
from musegen_jax.speed.sizes import Sizes
from musegen_jax.speed.timing import Race, Settings

NONE = "no flags"
_CAPTURE = (
  "--xla_gpu_enable_command_buffer=+WHILE,+DYNAMIC_SLICE_FUSION"
  " --xla_gpu_graph_min_graph_size=1"
)
_UNROLL = "--xla_gpu_command_buffer_unroll_loops=true"
# Loops captured in CUDA graphs are launched once; see openxla/xla#32719.
CANDIDATES = (_CAPTURE, _UNROLL, f"{_CAPTURE} {_UNROLL}")


def race(settings: Settings, sizes: Sizes, candidates: tuple[str, ...]) -> Race:
  """The step without flags, then under each candidate, a process each."""
  seconds, absent = {}, {}
  for name in (NONE, *candidates):
    flags = "" if name == NONE else name
    found, why = child.seconds(sizes, settings, flags)
    shown = name if name == NONE else f"`{name}`"
    if why:
      absent[shown] = why
    else:
      seconds[shown] = found
  return Race(sizes.name, seconds, NONE, absent, tokens=sizes.tokens)


def run(settings: Settings, chosen: list[Sizes]) -> report.Section:
  """The section of all sizes."""
  if settings.platform == "cpu":
    return report.not_measured("flags", "needs a GPU")
  about = (
    "The training step under flags of XLA, a process for each, one after the"
    " other. Below 1 the flags pay."
  )
  races = [race(settings, sizes, CANDIDATES) for sizes in chosen]
  return report.of_races("flags", about, races)
