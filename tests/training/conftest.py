"""A config small enough to train in a test."""

import pathlib

import pytest

from musegen_jax import config as config_lib


@pytest.fixture
def tiny_config(tiny_dataset: pathlib.Path) -> config_lib.Config:
  """Six steps of a network of eight units."""
  config = config_lib.Config()
  config.data.data_dir = str(tiny_dataset)
  config.model.embedding_size = 6
  config.model.hidden_size = 8
  config.optimizer.warmup_steps = 2
  config.train.steps = 6
  config.train.batch_size = 4
  config.train.window = 16
  config.train.log_every = 1
  config.train.evaluate_every = 3
  config.train.checkpoint_every = 2
  return config
