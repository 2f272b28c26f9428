#!/usr/bin/env bash
# Score every trained subsystem of a protocol and write RESULTS.{json,md}. --help shows the options.
set -euo pipefail
ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
if [[ ":${PYTHONPATH:-}:" != *":$ROOT:"* ]]; then
  # shellcheck source=path.sh
  . "$ROOT/path.sh"
fi
exec python -m steps.scoring.score "$@"
