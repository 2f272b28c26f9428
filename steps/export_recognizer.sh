#!/usr/bin/env bash
# Export a recognizer as ONNX of sherpa-onnx's form. --help shows the options.
set -euo pipefail
# shellcheck source=utils/front_end.sh
. "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/../utils/front_end.sh"
front_end_environment
exec python -m steps.asr.recognizers.onnx_export "$@"
