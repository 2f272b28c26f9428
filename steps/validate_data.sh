#!/usr/bin/env bash
# Decode and check a data set, look for the same sound twice, print a summary. --help shows the options.
set -euo pipefail
# shellcheck source=utils/front_end.sh
. "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/../utils/front_end.sh"
front_end_environment
exec python -m steps.data.validate "$@"
