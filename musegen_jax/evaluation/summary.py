"""The quickstart's last words: `python -m musegen_jax.evaluation.summary
--run_dir=quickstart`."""

import json
import pathlib

from absl import flags

from musegen_jax import errors
from musegen_jax.errors import UserError

_RUN_DIR = flags.DEFINE_string(
  "run_dir", None, "Folder with evaluation.json and samples/samples.json."
)


def _read(path: pathlib.Path) -> dict:
  try:
    return json.loads(path.read_text())
  except (FileNotFoundError, ValueError):
    raise UserError(
      f"{path} is missing or no JSON; run launch/quickstart.sh again"
    ) from None


def lines(folder: pathlib.Path) -> list[str]:
  """Five lines: what was made, where, and how good it is."""
  evaluation = _read(folder / "evaluation.json")
  samples = _read(folder / "samples" / "samples.json")["pieces"]
  model, *_, best = evaluation["rows"]
  gain = evaluation["gains"][-1]["bits_per_note"]
  seconds = sum(piece["seconds"] for piece in samples)
  return [
    f"data:     {folder}/shards, described by python -m data_prep.show"
    f" --data_dir={folder}/shards",
    f"model:    {folder}/run, {evaluation['parameters']:,} parameters, step"
    f" {evaluation['step']}; loss curve: {folder}/loss.png",
    f"quality:  test NLL {model['bits_per_note'][0]:.2f} bits a note; best"
    f" n-gram ({best['model']}) {best['bits_per_note'][0]:.2f}",
    f"gain:     {gain[0]:.2f} bits a note, 95 % interval {gain[1]:.2f} to"
    f" {gain[2]:.2f} over {evaluation['pieces']} held-out pieces",
    f"music:    {len(samples)} new pieces, {seconds:.0f} seconds:"
    f" {folder}/samples/*.mid, with a piano-roll .png each",
  ]


def main(argv: list[str]) -> None:
  """Prints them."""
  del argv
  print("\n".join(lines(pathlib.Path(_RUN_DIR.value))))


if __name__ == "__main__":
  flags.mark_flag_as_required("run_dir")
  errors.run(main)
