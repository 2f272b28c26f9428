#!/usr/bin/env bash
# Fuse the subsystems of a protocol on their dev scores. --help shows the options.
set -euo pipefail
# shellcheck source=utils/front_end.sh
. "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/../utils/front_end.sh"
front_end_python steps.fusion.fuse "$@"
