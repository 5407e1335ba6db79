# Sourced by the other scripts: makes .venv with the extras in $1 (once for
# each state of pyproject.toml) and activates it.
set -euo pipefail
PYTHON="${PYTHON:-python3}"
if ! "$PYTHON" -c 'import sys; sys.exit(sys.version_info < (3, 11))'; then
  echo "error: $PYTHON is older than Python 3.11; set PYTHON=python3.12" >&2
  exit 1
fi
marker=".venv/installed-$1"
if ! cmp -s pyproject.toml "$marker"; then
  [ -x .venv/bin/python ] || "$PYTHON" -m venv .venv
  echo "installing musegen_jax[$1] into .venv ..."
  .venv/bin/python -m pip install --quiet --disable-pip-version-check \
    --editable ".[$1]"
  cp pyproject.toml "$marker"
fi
# shellcheck disable=SC1091
source .venv/bin/activate
export JAX_COMPILATION_CACHE_DIR="${JAX_COMPILATION_CACHE_DIR:-$PWD/.cache/jax}"
