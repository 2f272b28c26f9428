#!/usr/bin/env bash
# Compute the tables of all committed results again from their summaries. --help shows the options.
set -euo pipefail
ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
if [[ ":${PYTHONPATH:-}:" != *":$ROOT:"* ]]; then
  # shellcheck source=path.sh
  . "$ROOT/path.sh"
fi
exec python -m steps.scoring.recompute "$@"
