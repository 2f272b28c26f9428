#!/usr/bin/env bash
# Write a data set again with noise behind every utterance, by array tasks. --help shows the options.
set -euo pipefail
# shellcheck source=utils/front_end.sh
. "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/../utils/front_end.sh"
front_end_python steps.noise.make_noisy_set "$@"
