#!/usr/bin/env bash
# Score a pooled data set by pairs of corpora and write EXP/RESULTS.{json,md}. --help shows the options.
set -euo pipefail
# shellcheck source=utils/front_end.sh
. "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/../utils/front_end.sh"
front_end_environment
exec python -m steps.scoring.cross_corpus "$@"
