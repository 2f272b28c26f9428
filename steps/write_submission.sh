#!/usr/bin/env bash
# Write the decisions on a test part without labels as a challenge wants them. --help shows the options.
set -euo pipefail
# shellcheck source=utils/front_end.sh
. "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/../utils/front_end.sh"
front_end_environment
exec python -m steps.scoring.write_submission "$@"
