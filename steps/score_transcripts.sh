#!/usr/bin/env bash
# Score transcripts of a data set and write EXP/RESULTS.{json,md} and a page of alignments. --help shows the options.
set -euo pipefail
# shellcheck source=utils/front_end.sh
. "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/../utils/front_end.sh"
front_end_environment
exec python -m steps.asr.transcripts.score_transcripts "$@"
