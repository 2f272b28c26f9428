#!/usr/bin/env bash
# Train an n-gram language model on transcripts and write it as ARPA. --help shows the options.
set -euo pipefail
# shellcheck source=utils/front_end.sh
. "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/../utils/front_end.sh"
front_end_environment
exec python -m steps.asr.lm.ngram "$@"
