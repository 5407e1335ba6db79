"""One training run: data, model, optimiser and loop put together."""

import contextlib
import dataclasses
import json
import pathlib
import signal
from collections.abc import Callable, Iterator

import jax
import numpy as np
from clu import parameter_overview

from musegen_jax import config as config_lib
from musegen_jax import plots
from musegen_jax.data import batches, corpus, shards
from musegen_jax.data.codecs import codec as codec_lib
from musegen_jax.errors import UserError
from musegen_jax.evaluation import likelihood
from musegen_jax.models import language_model
from musegen_jax.sampling import decode, strategies
from musegen_jax.training import checkpoints, loop, optimizer, parallel
from musegen_jax.training import state as state_lib
from musegen_jax.training import workdir as workdir_lib
from musegen_jax.training import writer as writer_lib

# Length of the piece drawn at each evaluation for TensorBoard.
PREVIEW_SECONDS = 15.0


def stretches(stretch: float) -> list[float]:
  """Time factors of the training variants, the plain one first."""
  if not stretch:
    return [1.0]
  return [1.0, 1 - stretch, 1 - stretch / 2, 1 + stretch / 2, 1 + stretch]


def encode_variants(
  dataset: shards.Dataset, config: config_lib.Config, codec: codec_lib.Codec
) -> list[corpus.Corpus]:
  """The training split, once for each time stretch."""
  if config.data.stretch and not codec.stretchable:
    raise UserError(
      f"config: codec {codec.name!r} lies on a metrical grid and cannot be"
      " stretched; set data.stretch to 0"
    )
  return [
    corpus.encode_split(
      dataset,
      "train",
      codec,
      stretch=stretch,
      shuffle_seed=shuffle_seed(config),
    )
    for stretch in stretches(config.data.stretch)
  ]


def shuffle_seed(config: config_lib.Config) -> int | None:
  """The seed of the control that shuffles tokens, or None."""
  return config.train.seed if config.data.shuffle_tokens else None


@contextlib.contextmanager
def stop_on_signals() -> Iterator[Callable[[], bool]]:
  """Turns SIGTERM and the first Ctrl-C into a flag that the loop reads."""
  received = []

  def note(number: int, frame: object) -> None:
    if received and number == signal.SIGINT:
      raise KeyboardInterrupt
    received.append(number)

  kinds = (signal.SIGTERM, signal.SIGINT)
  before = {kind: signal.signal(kind, note) for kind in kinds}
  try:
    yield lambda: bool(received)
  finally:
    for kind, handler in before.items():
      signal.signal(kind, handler)


def starting_params(
  model: language_model.LanguageModel,
  seed: int,
  init_from: str,
  codec: codec_lib.Codec,
) -> state_lib.Params:
  """Fresh parameters, or those of another run's checkpoint.

  Raises UserError where the checkpoint is of another vocabulary or size.
  """
  params = jax.device_get(state_lib.init_params(model, seed))
  if not init_from:
    return params
  loaded = checkpoints.load(init_from)
  if loaded.meta["vocabulary_hash"] != codec.vocabulary_hash:
    raise UserError(
      f"--init_from={init_from} was trained with codec"
      f" {loaded.meta['config']['data']['codec']!r}, not {codec.name!r}; set"
      " --config.data.codec to it"
    )
  ours = jax.tree.map(lambda a: list(a.shape), params)
  theirs = jax.tree.map(lambda a: list(a.shape), loaded.params)
  lines = config_lib.differences(theirs, ours)
  if lines:
    raise UserError(
      f"--init_from={init_from} has other shapes: {'; '.join(lines)}; set"
      " --config.model to that run's"
    )
  return jax.device_get(loaded.params)


def make_evaluate(
  model: language_model.LanguageModel,
  valid: corpus.Corpus,
  codec: codec_lib.Codec,
  writer: writer_lib.Writer | None,
  seed: int,
) -> Callable[[state_lib.State, int], float]:
  """Returns (state, step) -> nats per event on the validation split; it also
  draws one sampled piece."""
  own = range(jax.process_index(), len(valid), jax.process_count())

  def evaluate(state: state_lib.State, step: int) -> float:
    params = parallel.by_device(state.params)
    scores = likelihood.score(
      model, params, valid, codec, pieces=list(own), progress=True
    )
    sums = np.array([scores.nll.sum(), scores.events.sum()])
    nll, events = parallel.sum_over_processes(sums)
    if writer:
      tokens = decode.sample(
        language_model.step_params(params[0], model.dtype),
        model,
        codec,
        indices=np.array([step]),
        primers=[np.zeros(0, np.int16)],
        seconds=PREVIEW_SECONDS,
        strategy=strategies.Strategy(),
        seed=seed,
      )[0]
      image = plots.piano_roll_image(codec.decode(tokens))
      writer.image(step, "sample", image)
    return float(nll / events)

  return evaluate


def check_workdir(workdir: pathlib.Path, meta: dict, init_from: str) -> None:
  """Refuses a folder that holds another run; the data may have moved, but
  must be the same."""
  settings = meta["config"]
  data = {k: v for k, v in settings["data"].items() if k != "data_dir"}
  identity = meta | {
    "config": settings | {"data": data},
    "init_from": init_from,
  }
  workdir_lib.check_identity(workdir, identity)


def train(
  config: config_lib.Config, workdir: pathlib.Path, init_from: str
) -> None:
  """Trains in `workdir`, going on from its last checkpoint.

  Raises UserError for everything a user can mend.
  """
  config.check(jax.device_count())
  codec = codec_lib.load(config.data.codec)
  dataset = shards.open_dataset(config.data.data_dir)
  meta = {
    "config": dataclasses.asdict(config),
    "vocabulary_hash": codec.vocabulary_hash,
    "data_fingerprint": dataset.index["fingerprint"],
  }
  with contextlib.ExitStack() as stack:
    if parallel.is_main():
      stack.enter_context(workdir_lib.lock(workdir))
      check_workdir(workdir, meta, init_from)
    stop_requested = stack.enter_context(stop_on_signals())
    variants = encode_variants(dataset, config, codec)
    valid = corpus.encode_split(
      dataset, "valid", codec, shuffle_seed=shuffle_seed(config)
    )
    model = language_model.from_config(config.model, codec)
    params = starting_params(model, config.train.seed, init_from, codec)
    tx = optimizer.make(config.optimizer, config.train.steps, params)
    state = jax.device_get(
      state_lib.init(model, tx, config.train.batch_size, params)
    )
    manager = stack.enter_context(
      checkpoints.open_manager(
        workdir / "checkpoints", config.train.keep_checkpoints
      )
    )
    progress = loop.Progress()
    restored = checkpoints.restore(manager, state)
    if restored:
      state = restored[0]
      progress = loop.Progress(**restored[1]["progress"])
    step = int(state.step)
    _announce(config, variants[0], valid, params, step)
    if step >= config.train.steps or (
      0 < config.train.early_stop <= progress.stale
    ):
      print(f"nothing to do: the run in {workdir} is complete")
      return
    writer = None
    if parallel.is_main():
      writer = writer_lib.Writer(workdir, step)
      stack.callback(writer.close)
      writer.text("config", json.dumps(meta["config"], indent=2))

    def save(
      state: state_lib.State, progress: loop.Progress, loss: float | None
    ) -> None:
      saved = meta | {"progress": dataclasses.asdict(progress)}
      checkpoints.save(manager, parallel.collect(state), saved, loss)

    opens = codec.grammar.opens
    _, stopped = loop.run(
      parallel.spread(state),
      step_fn=parallel.pmap_step(
        model=model,
        tx=tx,
        seed=config.train.seed,
        dropout=config.model.dropout,
        accumulate=config.train.accumulate,
      ),
      batch_at=batches.make_batch_at(
        variants,
        codec,
        batch_size=config.train.batch_size,
        window=config.train.window,
        carry_state=config.train.carry_state,
        transpose_semitones=config.data.transpose_semitones,
        seed=config.train.seed,
        rows=parallel.own_rows(config.train.batch_size),
      ),
      count_notes=lambda batch: int((opens[batch["targets"]] >= 0).sum()),
      evaluate=make_evaluate(model, valid, codec, writer, config.train.seed),
      save=save,
      write=writer.scalars if writer else lambda step, values: None,
      stop_requested=stop_requested,
      train=config.train,
      progress=progress,
    )
    manager.wait_until_finished()
    if writer:
      plots.loss_curve(writer_lib.read_metrics(workdir), workdir / "loss.png")
      ended = (
        "stopped by a signal, the same command goes on"
        if stopped
        else (
          f"done: lowest validation loss {progress.best_loss:.4f} nats an event"
        )
      )
      print(f"{ended}; {workdir}")


def _announce(
  config: config_lib.Config,
  train_split: corpus.Corpus,
  valid: corpus.Corpus,
  params: state_lib.Params,
  step: int,
) -> None:
  if not parallel.is_main():
    return
  print(parameter_overview.get_parameter_overview(params, include_stats=None))
  for name, split in (("train", train_split), ("valid", valid)):
    left_out = "".join(
      f"; left out, {reason}: {n}" for reason, n in split.skipped.items()
    )
    print(f"{name}: {len(split)} pieces, {len(split.tokens)} tokens{left_out}")
  batch = config.train.batch_size, config.train.window
  epoch = batches.steps_per_epoch(train_split, *batch)
  print(
    f"{jax.device_count()} x {jax.devices()[0].device_kind}, {epoch} steps an"
    f" epoch, from step {step} to {config.train.steps}",
    flush=True,
  )
