#!/usr/bin/env bash
# Make the environment of the recipes; utils/setup.sh --help says how.
set -euo pipefail
# shellcheck source=utils/start.sh
. "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/start.sh"
export PYTHONPATH="$ROOT" PYTHONDONTWRITEBYTECODE=1

# Any Python that starts can do the work; the one to build with is chosen (and checked) there. A shim of pyenv may be
# a name without a Python behind it, so each is tried. By path, not by `-m`: that would look in the current directory.
for candidate in python3 python3.{13,12,11,10} "${HOME:-/}"/.pyenv/versions/3.1[0-9]*/bin/python3 python; do
  if "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 10))' 2>/dev/null; then
    exec "$candidate" "$ROOT/utils/setup/main.py" "$@"
  fi
done
echo "error: no Python of 3.10 or newer on PATH: install one (3.10 to 3.13), then run this again" >&2
exit 2
