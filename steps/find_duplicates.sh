#!/usr/bin/env bash
# Training utterances that are also in a dev or test part, another corpus, or a protected set. --help shows the options.
set -euo pipefail
# shellcheck source=utils/front_end.sh
. "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/../utils/front_end.sh"
front_end_python steps.asr.large.deduplicate "$@"
