#!/usr/bin/env bash
# Scores a run on its test split: bash launch/evaluate.sh WORKDIR [flags]
cd "$(dirname "$0")/.."
source launch/venv.sh corpus
exec python -m musegen_jax.evaluate --split=test --checkpoint="$@"
