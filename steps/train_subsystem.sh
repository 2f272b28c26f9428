#!/usr/bin/env bash
# Train one subsystem: every normalization, fold and seed is a task of its own. --help shows the options.
set -euo pipefail
# shellcheck source=utils/front_end.sh
. "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/../utils/front_end.sh"
front_end_python steps.experiments.train_subsystem "$@"
