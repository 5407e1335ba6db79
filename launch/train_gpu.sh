#!/usr/bin/env bash
# Trains on the GPUs of this machine: bash launch/train_gpu.sh WORKDIR [flags]
cd "$(dirname "$0")/.."
source launch/venv.sh cuda
exec python -m musegen_jax.train --config=configs/lstm.py --workdir="$@"
