#!/usr/bin/env bash
# From nothing to new MIDI: bash launch/quickstart.sh
# Bach chorales -> shards -> LSTM -> evaluation -> 8 pieces, all in quickstart/.
# A second run reuses what is there.
cd "$(dirname "$0")/.."
source launch/venv.sh corpus
folder=quickstart
python -m data_prep.export_corpus --corpus=bach --output_dir="$folder/midi"
python -m data_prep.build_shards --midi_dir="$folder/midi" \
  --output_dir="$folder/shards"
python -m musegen_jax.train --config=configs/quickstart.py \
  --workdir="$folder/run"
python -m musegen_jax.evaluate --checkpoint="$folder/run" --split=test \
  --json > "$folder/.evaluation.json.tmp"
mv "$folder/.evaluation.json.tmp" "$folder/evaluation.json"
python -m musegen_jax.sample --checkpoint="$folder/run" --num=8 \
  --batch_size=8 --output_dir="$folder/samples" --png --overwrite
cp "$folder/run/loss.png" "$folder/loss.png"
echo
python -m musegen_jax.evaluation.summary --run_dir="$folder"
