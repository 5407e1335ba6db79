"""The bench from its command: every part, and what it refuses."""

import json
import pathlib

import pytest

from tests.conftest import run_module

TORCH = "torch is missing: pip install torch"


def bench(*flags: str, check: bool = True) -> object:
  return run_module("musegen_jax.bench", "--rounds=1", *flags, check=check)


@pytest.mark.parametrize(
  "measured",
  [
    ["layer", "train"],
    pytest.param(["sample", "scale"], marks=pytest.mark.slow),
  ],
  ids=",".join,
)
def test_every_part_is_measured_or_says_why_not(
  tmp_path: pathlib.Path, measured: list[str]
) -> None:
  folder = tmp_path / "bench"
  done = bench(
    "--tiny",
    f"--what={','.join(measured)},data,startup,flags",
    f"--data_dir={tmp_path / 'none'}",
    f"--output_dir={folder}",
  )
  found = json.loads((folder / "bench.json").read_text())
  if "layer" in measured:
    [layer] = found["layer"]
    for name in ("auto", "scan", "hoisted", "wavefront", "Flax nn.RNN"):
      assert layer["min_ms"][name] > 0
    assert "needs an NVIDIA GPU" in layer["not_measured"]["cudnn"]
    assert "pallas" in layer["not_measured"]
  if "scale" in measured:
    pictures = [path.read_bytes() for path in folder.glob("*.png")]
    assert pictures and pictures[0].startswith(b"\x89PNG")
  for part in set(measured) - {"scale"}:
    [row] = found[part]
    peers = set(row["min_ms"]) | set(row["not_measured"])
    assert any(name.startswith("torch") for name in peers)
    if "torch" in row["not_measured"]:
      assert row["not_measured"]["torch"] == TORCH
  assert found["flags"] == [{"name": "flags", "not_measured": "needs a GPU"}]
  for part in ("data", "startup"):
    assert "run launch/quickstart.sh" in found[part][0]["not_measured"]
  for title in (f"## {measured[0]}", "not measured: needs a GPU"):
    assert title in done.stdout
    assert title in (folder / "bench.md").read_text()


@pytest.mark.parametrize(
  ("flags", "says"),
  [
    (["--what=speed"], "choose of layer, train"),
    (["--cores=999"], "this process may run on cores"),
    (["--tiny", "--write_table"], "leave one of them out"),
  ],
)
def test_what_makes_no_sense_is_refused(flags: list[str], says: str) -> None:
  done = bench(*flags, check=False)
  assert done.returncode == 1
  assert says in done.stderr and "Traceback" not in done.stderr
