#!/usr/bin/env bash
# Makes an environment and runs the tests: bash launch/test.sh [pytest options]
cd "$(dirname "$0")/.."
source launch/venv.sh test
# The CPU build of torch is a peer for tests, never a dependency; the wheel
# from the public index brings gigabytes, so it is not asked for.
python -c 'import torch' 2> /dev/null ||
  python -m pip install --quiet --disable-pip-version-check \
    'torch==2.13.0+cpu' 2> /dev/null ||
  echo "no CPU build of torch at hand: the tests against it are skipped"
# On a throw-away CI machine the test of WAV rendering gets its program too.
if [ -n "${CI:-}" ] && [ "$(id -u)" = 0 ] && ! command -v fluidsynth > /dev/null
then
  { apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -qq \
    --yes --no-install-recommends fluidsynth timgm6mb-soundfont; } > /dev/null ||
    echo "no fluidsynth: the test of WAV rendering is skipped"
fi
ruff check .
ruff format --check .
python -m pytest --numprocesses=auto --quiet --durations=10 "$@"
