#!/usr/bin/env bash
# Put a recognizer, its graph and its phone-state head into one directory. --help shows the options.
set -euo pipefail
# shellcheck source=utils/front_end.sh
. "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/../utils/front_end.sh"
front_end_environment
exec python -m steps.asr.decode.bundle "$@"
