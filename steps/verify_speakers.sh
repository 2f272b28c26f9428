#!/usr/bin/env bash
# Speaker verification by i-vectors: equal error rates of cosine and PLDA scores. --help shows the options.
set -euo pipefail
# shellcheck source=utils/front_end.sh
. "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/../utils/front_end.sh"
front_end_environment
exec python -m steps.ivector.verification "$@"
