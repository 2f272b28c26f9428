#!/usr/bin/env bash
# Measure LEAF, forward and backward, beside SpeechBrain's, and compare what they compute:
#   EMOTION_CORPORA=DIR tests/bench/leaf.sh --python PYTHON [--batch 16] [--seconds 4]
#                       [--stride 10] [--rounds 5] [--device cpu|cuda] [--profile]
# PYTHON is of an environment with the project's packages and speechbrain, made for this alone:
#   python -m venv DIR; DIR/bin/pip install -r conf/requirements.txt speechbrain
# The audio is EMO-DB's. One thread on a CPU.
set -euo pipefail
# shellcheck source=utils/start.sh
. "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/../../utils/start.sh"
export OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 MKL_NUM_THREADS=1 KINETO_LOG_LEVEL=99
python=python
if [ "${1:-}" = --python ]; then python=$2; shift 2; fi
export PYTHONPATH=$ROOT
exec "$python" "$ROOT/tests/bench/leaf.py" "$@"
