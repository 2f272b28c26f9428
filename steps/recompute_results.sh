#!/usr/bin/env bash
# Compute the tables of all committed results again from their summaries. --help shows the options.
set -euo pipefail
# shellcheck source=utils/front_end.sh
. "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/../utils/front_end.sh"
front_end_environment
exec python -m steps.scoring.recompute "$@"
