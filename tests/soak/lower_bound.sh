#!/usr/bin/env bash
# Run the unit tests with the oldest supported versions (conf/requirements-lower.txt: torch 2.4.1, numpy 1.26.4, ...)
# in an environment of their own, .venv-lower. Without a CPU build of that torch at hand, its CUDA build is taken,
# which needs 6 GB of disk. Arguments go to pytest.
set -euo pipefail
# shellcheck source=utils/start.sh
. "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/../../utils/start.sh"
cd "$ROOT"
utils/setup.sh --lower
exec .venv-lower/bin/python -m pytest -q -rs -n 2 -m "not slow" --ignore tests/utils/test_lint.py "$@" tests
