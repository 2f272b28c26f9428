#!/usr/bin/env bash
# Raw corpus -> checked data set (cuts.jsonl.gz, corpus.json, splits/). --help shows the options.
set -euo pipefail
# shellcheck source=utils/front_end.sh
. "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/../utils/front_end.sh"
front_end_environment
exec python -m steps.data.prepare "$@"
