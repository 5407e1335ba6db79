#!/usr/bin/env bash
# MIDI to shards: bash launch/prepare.sh MIDI_DIR [build_shards flags]
# Without MIDI_DIR the corpora inside music21 are exported first.
cd "$(dirname "$0")/.."
source launch/venv.sh corpus
midi_dir="${1:-data/midi}"
if [ $# -eq 0 ]; then
  python -m data_prep.export_corpus --output_dir="$midi_dir" \
    --corpus=bach,fiddle,folk,renaissance
fi
python -m data_prep.build_shards --midi_dir="$midi_dir" \
  --output_dir=data/corpus "${@:2}"
