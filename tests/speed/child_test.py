"""Steps in processes of their own, under flags of XLA."""

import pytest

from musegen_jax.speed import child, timing, xla_flags
from musegen_jax.speed.sizes import Sizes

SETTINGS = timing.Settings(rounds=2, cores=2, platform="cpu")
SIZES = Sizes(1, 4, 4, 2, 4)
UNKNOWN = "--xla_no_such_flag=true"
REASON = f"this jaxlib does not know the flag {UNKNOWN}"


def test_a_flag_that_this_jaxlib_lacks_is_named() -> None:
  assert child.seconds(SIZES, SETTINGS, UNKNOWN) == ([], REASON)


@pytest.mark.parametrize("broken", [UNKNOWN, ""])
def test_a_process_that_fails_is_a_row(
  monkeypatch: pytest.MonkeyPatch, broken: str
) -> None:
  def seconds(sizes: Sizes, settings: timing.Settings, flags: str) -> tuple:
    return ([], REASON) if flags == broken else ([1.0, 2.0], "")

  monkeypatch.setattr(child, "seconds", seconds)
  found = xla_flags.race(SETTINGS, SIZES, ("--a=1", UNKNOWN))
  name = f"`{broken}`" if broken else xla_flags.NONE
  assert found.absent == {name: REASON}
  assert list(found.seconds)[-1] == ("`--a=1`" if broken else f"`{UNKNOWN}`")
