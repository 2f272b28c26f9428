#!/usr/bin/env bash
# Take the results of recipes' runs over into the committed tables. --help shows the options.
set -euo pipefail
# shellcheck source=utils/front_end.sh
. "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/../utils/front_end.sh"
front_end_environment
exec python -m steps.scoring.publish "$@"
