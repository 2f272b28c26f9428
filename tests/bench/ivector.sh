#!/usr/bin/env bash
# Measure one EM iteration of the total variability model:
#   tests/bench/ivector.sh [--rounds 1] [--threads N] [--utterances 2000] [--components 512] [--dim 60] [--rank 200]
#                          [--active 512] [--bob PYTHON] [--only NAME ...]
# against a numpy reference that goes an utterance at a time; and bob.learn.em if PYTHON has it. On an idle machine.
set -euo pipefail
# shellcheck source=utils/start.sh
. "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/../../utils/start.sh"
# shellcheck source=path.sh
. "$ROOT/path.sh"
exec python "$ROOT/tests/bench/ivector.py" "$@"
