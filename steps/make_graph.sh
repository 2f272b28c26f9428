#!/usr/bin/env bash
# Build a decoding graph from a recognizer's units and a language model. --help shows the options.
set -euo pipefail
# shellcheck source=utils/front_end.sh
. "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/../utils/front_end.sh"
front_end_environment
exec python -m steps.asr.decode.make_graph "$@"
