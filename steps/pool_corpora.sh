#!/usr/bin/env bash
# Prepared data sets -> one pooled data set in common classes, with the protocol `cross`. --help shows the options.
set -euo pipefail
# shellcheck source=utils/front_end.sh
. "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/../utils/front_end.sh"
front_end_environment
exec python -m steps.data.pool "$@"
