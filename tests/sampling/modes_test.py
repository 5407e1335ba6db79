"""Which flags and values have a meaning for which mode."""

import pytest

from musegen_jax.errors import UserError
from musegen_jax.sampling import modes
from musegen_jax.sampling.strategies import Strategy


def test_the_mode_in_force() -> None:
  assert modes.resolve("lstm", None, {"num", "primer", "png"}) == modes.LSTM
  assert modes.resolve("vae", None, {"num", "z_temperature"}) == "prior"
  assert modes.resolve("vae", "vary", {"input", "amount", "seed"}) == "vary"
  asked = ("lstm", "harmonise", {"input", "num", "sweeps"})
  assert modes.resolve(*asked) == modes.HARMONISE
  asked = ("frames", None, {"seconds", "primer", "baseline", "temperature"})
  assert modes.resolve(*asked) == modes.FRAMES


@pytest.mark.parametrize(
  ("kind", "mode", "flag", "says"),
  [
    ("lstm", "prior", "num", "--mode=prior needs a VAE"),
    ("lstm", None, "input", "--input has no meaning for an LSTM"),
    ("vae", "harmonise", "num", "needs an LSTM of codec voices"),
    ("lstm", "harmonise", "seconds", "--seconds .* for --mode=harmonise"),
    ("lstm", None, "sweeps", "it has one for --mode=harmonise"),
    ("lstm", "harmonise", "top_k", "--top_k .* for --mode=harmonise"),
    ("frames", "prior", "num", "a VAE, and .* is of a model of frames"),
    ("frames", "harmonise", "num", "codec voices, and .* a model of frames"),
    ("frames", None, "min_p", "--min_p has no meaning for a model of frames"),
    ("frames", None, "note_seconds", "it has one for an LSTM$"),
    ("lstm", None, "bar", "--bar has no meaning for an LSTM"),
    ("vae", None, "primer", "--primer .*--mode=prior; it has one for an LSTM"),
    ("vae", None, "input", "--input has no meaning for --mode=prior"),
    ("vae", None, "amount", "for --mode=vary, --mode=attribute"),
    ("vae", "vary", "baseline", "--baseline has no meaning for --mode=vary"),
    ("vae", "vary", "z_temperature", "it has one for --mode=prior"),
    ("vae", "reconstruct", "num", "--num has no meaning"),
    ("vae", "reconstruct", "attribute", "it has one for --mode=attribute"),
  ],
)
def test_flags_without_a_meaning_are_named(
  kind: str, mode: str | None, flag: str, says: str
) -> None:
  with pytest.raises(UserError, match=says):
    modes.resolve(kind, mode, {flag})


def settings(mode: str, **changes: object) -> modes.Settings:
  count = {"prior": 0, "interpolate": 2}.get(mode, 1)
  defaults = {
    "inputs": ("a.mid",) * count,
    "num": 3,
    "strategy": Strategy(),
    "attribute": "mean_pitch" if mode == "attribute" else "",
  }
  return modes.Settings(mode=mode, **(defaults | changes))


@pytest.mark.parametrize("mode", modes.VAE_MODES)
def test_sound_settings_pass(mode: str) -> None:
  settings(mode).check()


@pytest.mark.parametrize(
  ("mode", "changes", "says"),
  [
    ("prior", {"num": 0}, "--num must be above 0"),
    ("prior", {"batch_size": 0}, "--batch_size must be above 0"),
    ("prior", {"only": (3,)}, "--only=3 is not in 0..2"),
    ("prior", {"z_temperature": float("nan")}, "--z_temperature=nan"),
    ("prior", {"z_temperature": -1.0}, "--z_temperature=-1.0"),
    ("prior", {"strategy": Strategy(float("inf"))}, "--temperature"),
    ("reconstruct", {"inputs": (), "num": 0}, "at least one --input"),
    ("interpolate", {"inputs": ("a",)}, "exactly two --input=.*, not 1"),
    ("interpolate", {"num": 1}, "--num=1.*at least 2"),
    ("vary", {"inputs": ("a", "b")}, "exactly one --input=.*, not 2"),
    ("vary", {"amount": float("inf")}, "--amount=inf is not in"),
    ("attribute", {"amount": float("nan")}, "--amount=nan is not in"),
    ("attribute", {"attribute": "joy"}, "--attribute=joy.*note_density, mean"),
  ],
)
def test_senseless_settings(mode: str, changes: dict, says: str) -> None:
  with pytest.raises(UserError, match=says):
    settings(mode, **changes).check()
