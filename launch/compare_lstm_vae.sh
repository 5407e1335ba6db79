#!/usr/bin/env bash
# The paper's comparison on the embedded corpus: bash launch/compare_lstm_vae.sh
# Fiddle and folk tunes -> shards -> an LSTM and a VAE with as many parameters,
# trained for as long, three runs of each -> comparison/report/report.html.
# A second run goes on where the first was stopped. Longer runs, as on a GPU:
#   bash launch/compare_lstm_vae.sh --seconds=7200 --seeds=5
cd "$(dirname "$0")/.."
source launch/venv.sh corpus
seconds=600 seeds=3 folder=comparison
for argument in "$@"; do
  case "$argument" in
    --seconds=*) seconds="${argument#*=}" ;;
    --seeds=*) seeds="${argument#*=}" ;;
    --folder=*) folder="${argument#*=}" ;;
    *)
      echo "error: unknown argument $argument; there are --seconds, --seeds" \
        "and --folder" >&2
      exit 1
      ;;
  esac
done
python -m data_prep.export_corpus --corpus=fiddle,folk \
  --output_dir="$folder/midi"
python -m data_prep.build_shards --midi_dir="$folder/midi" \
  --output_dir="$folder/shards"
runs=""
for ((seed = 0; seed < seeds; seed++)); do
  for model in lstm vae; do
    workdir="$folder/runs/$model-$seed"
    python -m musegen_jax.train --config="configs/compare_$model.py" \
      --workdir="$workdir" --seconds="$seconds" --config.train.seed="$seed" \
      --config.data.data_dir="$folder/shards"
    runs="$runs,$workdir"
  done
done
python -m musegen_jax.compare --runs="${runs#,}" --output_dir="$folder/report" \
  --title="LSTM or VAE" --plots --overwrite
