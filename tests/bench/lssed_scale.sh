#!/usr/bin/env bash
# Measure reading a corpus of LSSED's size, 147,025 utterances of features, without the network:
#   tests/bench/lssed_scale.sh [--against COMMIT] [--utterances N] [--batch-size 256] [--memory 4G] [DIR]
# peak memory, wall and CPU seconds of each step from the manifest to one epoch of batches. --against runs the code of
# another commit on the same store, one after the other; --network measures training steps of PyResNet-50 on small batches
# instead, and says what 60 epochs would take. DIR gets the simulated data set (a sparse file: 11 GB to read, few
# on the disk) unless it is there; default: a temporary directory.
set -euo pipefail
# shellcheck source=utils/start.sh
. "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/../../utils/start.sh"
# shellcheck source=path.sh
. "$ROOT/path.sh"
exec python "$ROOT/tests/bench/lssed_scale.py" "$@"
