#!/usr/bin/env bash
# Who and what is shared between training and test parts. --help shows the options.
set -euo pipefail
ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
if [[ ":${PYTHONPATH:-}:" != *":$ROOT:"* ]]; then
  # shellcheck source=path.sh
  . "$ROOT/path.sh"
fi
exec python -m steps.audit.audit_leaks "$@"
