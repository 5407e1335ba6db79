"""Embeds every window of a folder of MIDI: `python -m musegen_jax.embed
--checkpoint=runs/vae --midi_dir=my_midi --output=my_embeddings`."""

import pathlib

from absl import flags

from musegen_jax import errors, startup
from musegen_jax.evaluation import embedding
from musegen_jax.training import checkpoints

_CHECKPOINT = flags.DEFINE_string(
  "checkpoint", None, "A run (its best checkpoint) or runs/x/checkpoints/100."
)
_MIDI_DIR = flags.DEFINE_string(
  "midi_dir", None, "Folder whose MIDI files, at any depth, are embedded."
)
_LABELS = flags.DEFINE_string(
  "labels",
  "",
  "A csv with path,genre,composer,title; labels.csv in --midi_dir by default.",
)
_OUTPUT = flags.DEFINE_string(
  "output", None, "Folder for embeddings.npy, index.jsonl and index.json."
)
_OVERWRITE = flags.DEFINE_bool(
  "overwrite", False, "Replace other embeddings in --output."
)


def main(argv: list[str]) -> None:
  """Loads, embeds, says what came of it."""
  del argv
  startup.prepare()
  loaded = checkpoints.load(_CHECKPOINT.value)
  folder = pathlib.Path(_OUTPUT.value)
  index = embedding.embed(
    loaded.params,
    {"checkpoint": str(loaded.path), "step": loaded.step},
    loaded.meta,
    midi_dir=pathlib.Path(_MIDI_DIR.value),
    labels=pathlib.Path(_LABELS.value) if _LABELS.value else None,
    folder=folder,
    overwrite=_OVERWRITE.value,
  )
  print("\n".join(embedding.summary(index, folder)))


if __name__ == "__main__":
  flags.mark_flags_as_required(["checkpoint", "midi_dir", "output"])
  errors.run(main)
