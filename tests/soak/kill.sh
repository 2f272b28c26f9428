#!/usr/bin/env bash
# kill -9 of the tiny mini recipe at 20 moments: run.sh, the whole tree, a worker, the dispatcher on a real Slurm, and
# inside every write-to-rename window. The same command again must end with bit-identical scores.
#   tests/soak/kill.sh [--cases 20] [--seed 0] [--only TEXT] [--directory DIR]
set -euo pipefail
# shellcheck source=utils/start.sh
. "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/../../utils/start.sh"
cd "$ROOT"
. ./path.sh
exec python -m tests.soak.kill "$@"
