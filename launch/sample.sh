#!/usr/bin/env bash
# Writes 256 pieces of a run: bash launch/sample.sh WORKDIR OUTPUT_DIR [flags]
cd "$(dirname "$0")/.."
source launch/venv.sh corpus
exec python -m musegen_jax.sample --num=256 --batch_size=64 \
  --checkpoint="$1" --output_dir="${@:2}"
