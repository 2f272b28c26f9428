#!/usr/bin/env bash
# Decode and check a data set, print a summary, write validation.json and audio_hashes.tsv. --help shows the options.
set -euo pipefail
ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
if [[ ":${PYTHONPATH:-}:" != *":$ROOT:"* ]]; then
  # shellcheck source=path.sh
  . "$ROOT/path.sh"
fi
exec python -m steps.data.validate "$@"
