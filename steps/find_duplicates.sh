#!/usr/bin/env bash
# Training utterances that are also in a dev or test part, another corpus, or a protected set. --help shows the options.
set -euo pipefail
# shellcheck source=utils/front_end.sh
. "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/../utils/front_end.sh"

usage() {
  cat <<'END'
Usage: steps/find_duplicates.sh --prepared "DIR ..." [option ...] OUT

  --prepared "DIR ..."   what steps/prepare_speech.sh wrote; of two copies that of the first corpus is kept
  --protect "DATA ..."   prepared data sets whose sentences and recordings must not be trained on
  --debug                show Python tracebacks

Writes OUT, a table: id, reason, of. steps/asr/large/deduplicate.py says what a double is.
END
}

prepared="" protect="" positional=()
front_end_options "prepared protect" "" "$@"
read -ra directories <<<"$prepared"
read -ra protected <<<"$protect"
[ "${#directories[@]}" -gt 0 ] || fail "--prepared \"DIR ...\" is missing; see --help"
[ "${#positional[@]}" -eq 1 ] || fail "expected one output file, found ${#positional[@]} arguments; see --help"

front_end_environment
exec python -m steps.asr.large.deduplicate --prepared "${directories[@]}" --protect "${protected[@]}" -- "${positional[0]}"
