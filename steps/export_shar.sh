#!/usr/bin/env bash
# Export prepared speech as lhotse Shar, by array tasks. --help shows the options.
set -euo pipefail
# shellcheck source=utils/front_end.sh
. "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/../utils/front_end.sh"
front_end_python steps.asr.large.export_shar "$@"
