#!/usr/bin/env bash
# Trains on the GPUs of this machine: bash launch/train_gpu.sh WORKDIR [flags]
# XLA_FLAGS are left as they are: which of them pay on a card is measured by
#   python -m musegen_jax.bench --what=flags
# and none was at hand.
cd "$(dirname "$0")/.."
source launch/venv.sh cuda
exec python -m musegen_jax.train --config=configs/lstm.py --workdir="$@"
