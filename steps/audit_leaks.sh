#!/usr/bin/env bash
# Who and what is shared between training and test parts. --help shows the options.
set -euo pipefail
# shellcheck source=utils/front_end.sh
. "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/../utils/front_end.sh"
front_end_environment
exec python -m steps.audit.audit_leaks "$@"
