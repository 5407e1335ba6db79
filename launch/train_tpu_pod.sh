#!/usr/bin/env bash
# Trains on every host of a TPU pod; run the same command on all of them, with
# WORKDIR and the data on storage they share:
#   bash launch/train_tpu_pod.sh WORKDIR [flags]
cd "$(dirname "$0")/.."
source .venv/bin/activate
exec python -m musegen_jax.train --config=configs/lstm.py \
  --coordinator=auto --workdir="$@"
