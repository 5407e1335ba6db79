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
# On a throw-away CI machine two tests get their programs too: that of WAV
# rendering, and that of the report's page in a browser.
if [ -n "${CI:-}" ] && [ "$(id -u)" = 0 ]; then
  updated=
  for packages in "fluidsynth timgm6mb-soundfont" chromium; do
    program="${packages%% *}"
    command -v "$program" > /dev/null && continue
    [ -n "$updated" ] || apt-get update -qq > /dev/null || true
    updated=yes
    # shellcheck disable=SC2086
    DEBIAN_FRONTEND=noninteractive apt-get install -qq --yes \
      --no-install-recommends $packages > /dev/null ||
      echo "no $program: the tests that need it are skipped"
  done
fi
ruff check .
ruff format --check .
python -m pytest --numprocesses=auto --dist=loadfile --quiet --durations=10 "$@"
