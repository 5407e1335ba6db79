#!/usr/bin/env bash
#SBATCH --job-name=musegen-shards
#SBATCH --array=0-15
#SBATCH --cpus-per-task=8
# Shards by a job array; the last task to end writes the index:
#   sbatch launch/prepare_slurm.sh MIDI_DIR OUTPUT_DIR
# SLURM runs a copy of this script, so the checkout is where sbatch was called.
cd "${SLURM_SUBMIT_DIR:-$(dirname "$0")/..}"
source .venv/bin/activate
exec python -m data_prep.build_shards --midi_dir="$1" --output_dir="$2" \
  --num_shards=256 --workers="${SLURM_CPUS_PER_TASK:-8}" \
  --task_index="${SLURM_ARRAY_TASK_ID:?run with sbatch}" \
  --num_tasks="${SLURM_ARRAY_TASK_COUNT:?run with sbatch}"
