#!/usr/bin/env bash
# Measure how fast exported models are on one core:
#   tests/bench/inference.sh --audio DIR [--rounds 3] [--utterances 60] MODEL ...
# MODEL is what steps/export.sh wrote. Each is measured with its transcripts and without (--no-transcript).
set -euo pipefail
# shellcheck source=utils/start.sh
. "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/../../utils/start.sh"
export OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 MKL_NUM_THREADS=1
# shellcheck source=path.sh
. "$ROOT/path.sh"
exec python "$ROOT/tests/bench/inference.py" "$@"
