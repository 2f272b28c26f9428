#!/usr/bin/env bash
# Extract one kind of features for every utterance of a data set, by array tasks. --help shows the options.
set -euo pipefail
# shellcheck source=utils/front_end.sh
. "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/../utils/front_end.sh"
front_end_python steps.features.extract "$@"
