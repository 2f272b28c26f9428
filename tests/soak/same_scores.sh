#!/usr/bin/env bash
# Run tiny recipes at two commits on this machine and compare every score table, value by value:
#   tests/soak/same_scores.sh --before COMMIT [--after COMMIT] [--only TEXT] [--directory DIR]
# Scores depend on the processor, so both sides run here; nothing is compared with figures of another machine.
set -euo pipefail
# shellcheck source=utils/start.sh
. "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/../../utils/start.sh"
cd "$ROOT"
. ./path.sh
exec python -m tests.soak.same_scores "$@"
