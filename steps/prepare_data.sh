#!/usr/bin/env bash
# Raw corpus -> checked data set (cuts.jsonl.gz, corpus.json, splits/). --help shows the options.
set -euo pipefail
ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
if [[ ":${PYTHONPATH:-}:" != *":$ROOT:"* ]]; then
  # shellcheck source=path.sh
  . "$ROOT/path.sh"
fi
exec python -m steps.data.prepare "$@"
