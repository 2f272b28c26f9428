#!/usr/bin/env bash
# Corpora of transcribed speech -> cuts of each part, one task a corpus. --help shows the options.
set -euo pipefail
# shellcheck source=utils/front_end.sh
. "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/../utils/front_end.sh"

usage() {
  cat <<'END'
Usage: steps/prepare_speech.sh --corpora "NAME ..." [option ...] OUT

  --corpora "NAME ..."   NAME, or NAME=DIR where it lies elsewhere
  --corpora-dir DIR      NAME is in DIR/NAME (default: .)
  --reader MODULE        gives the rows of a corpus (default: local.mandarin_speech)
  --shortest S           seconds; shorter utterances are dropped (default: 0.3)
  --longest S            seconds; longer utterances are dropped (default: 30)
  --cmd CMD              how tasks are run (default: utils/job.sh)
  --debug                show Python tracebacks

Writes OUT/<corpus>/cuts.{train,dev,test}.jsonl.gz, dropped.tsv (what is not used, and why), prepared.json and OUT/log/.
END
}

corpora="" corpora_dir=. reader=local.mandarin_speech shortest=0.3 longest=30 cmd=$ROOT/utils/job.sh positional=()
front_end_options "corpora corpora-dir reader shortest longest cmd" "" "$@"
read -ra names <<<"$corpora"
[ "${#names[@]}" -gt 0 ] || fail "--corpora \"NAME ...\" is missing; see --help"
[ "${#positional[@]}" -eq 1 ] || fail "expected one output directory, found ${#positional[@]} arguments; see --help"
out=${positional[0]%/}

front_end_environment
front_end_job

"${job[@]}" JOB=1:"${#names[@]}" "$out/log/prepare.{JOB}.log" \
  python -m steps.asr.large.prepare_speech --corpora "${names[@]}" --corpora-dir "$corpora_dir" --reader "$reader" \
  --shortest "$shortest" --longest "$longest" --task "{JOB}" "$out"
for name in "${names[@]}"; do
  [ -s "$out/${name%%=*}/prepared.json" ] || { echo "error: ${name%%=*} was not prepared; see $out/log" >&2; exit 1; }
done
