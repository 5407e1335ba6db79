"""Which config each data set gets, and what studies must agree in."""

import pathlib

import pytest

from musegen_jax import frame_flags
from musegen_jax.errors import UserError
from tests import toy_rolls

STUDY = """
from musegen_jax import config

def get_config(name: str = "none") -> config.Config:
  study = config.Config()
  study.model.kind, study.data.codec = "frames", "frames"
  study.data.steps_per_beat = {grid}
  study.frames.articulation = {articulation}
  study.train.steps = {{"none": 200, "jsb": 300}}[name]
  return study
"""


def write(
  folder: pathlib.Path, name: str, grid: int = 2, articulation: bool = False
) -> str:
  path = folder / f"{name}.py"
  path.write_text(STUDY.format(grid=grid, articulation=articulation))
  return str(path)


def test_published_sets_hand_over_their_names(
  shared_data: pathlib.Path, tmp_path: pathlib.Path
) -> None:
  toy_rolls.write_npz(tmp_path / "toy.npz")
  sources, studies = frame_flags.read(
    ["jsb", str(tmp_path / "toy.npz")],
    str(shared_data / "benchmark"),
    [write(tmp_path, "one"), write(tmp_path, "two")],
  )
  assert [source.name for source in sources] == ["jsb", "toy"]
  assert list(studies) == ["one", "two"]
  for by_set in studies.values():
    steps = {name: config.train.steps for name, config in by_set.items()}
    assert steps == {"jsb": 300, "toy": 200}


@pytest.mark.parametrize(
  ("changes", "says"),
  [
    ({"grid": 4}, "differ in data.steps_per_beat"),
    ({"articulation": True}, "differ in frames.articulation"),
  ],
)
def test_studies_of_one_table_score_the_same(
  tmp_path: pathlib.Path, changes: dict, says: str
) -> None:
  toy_rolls.write_npz(tmp_path / "toy.npz")
  paths = [write(tmp_path, "one"), write(tmp_path, "two", **changes)]
  with pytest.raises(UserError, match=says):
    frame_flags.read([str(tmp_path / "toy.npz")], "", paths)


def test_names_are_given_once(tmp_path: pathlib.Path) -> None:
  toy_rolls.write_npz(tmp_path / "toy.npz")
  data, path = str(tmp_path / "toy.npz"), write(tmp_path, "one")
  with pytest.raises(UserError, match="--data names 'toy' twice"):
    frame_flags.read([data, data], "", [path])
  with pytest.raises(UserError, match="--config names 'one' twice"):
    frame_flags.read([data], "", [path, path])


def test_a_space_is_listed_by_its_config(tmp_path: pathlib.Path) -> None:
  path = tmp_path / "study.py"
  path.write_text("def get_space():\n  return {'model.dropout': [0.1, 0.2]}\n")
  assert frame_flags.space(str(path)) == {"model.dropout": [0.1, 0.2]}
  path.write_text("def get_space():\n  return {'model.dropout': []}\n")
  with pytest.raises(UserError, match="has no space to search"):
    frame_flags.space(str(path))
