#!/usr/bin/env bash
# Print one table: Python, torch, CUDA, GPU, k2, lhotse, opensmile, cluster commands; each with "ok" or what to do.
set -euo pipefail
# shellcheck source=utils/start.sh
. "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/start.sh"
# As in a dry run: nothing is installed, and without an environment the system's Python fills the table.
export EMOTION_DRY_RUN=1
# shellcheck source=path.sh
. "$ROOT/path.sh"
command -v python3 >/dev/null || { echo "Python  none  install Python 3.10 to 3.13"; exit 0; }
exec "$([ -n "${EMOTION_ENVIRONMENT:-}" ] && echo python || echo python3)" "$ROOT/utils/setup/check_env.py" "$@"
