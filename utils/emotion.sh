#!/usr/bin/env bash
# Say what is felt in recordings, with a model that steps/export.sh wrote. --help shows the options.
set -euo pipefail
# shellcheck source=utils/front_end.sh
. "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/../utils/front_end.sh"
front_end_environment
# Recordings are done side by side (--threads); a library that spreads one over all cores would only be in the way.
export OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 MKL_NUM_THREADS=1
exec python -m steps.inference.main "$@"
