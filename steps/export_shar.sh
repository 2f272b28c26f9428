#!/usr/bin/env bash
# Prepared cuts -> sets of speech for training: lhotse shar with an index, by array tasks. --help shows the options.
set -euo pipefail
# shellcheck source=utils/front_end.sh
. "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/../utils/front_end.sh"

usage() {
  cat <<'END'
Usage: steps/export_shar.sh --prepared "DIR ..." [option ...] OUT

  --prepared "DIR ..."   what steps/prepare_speech.sh wrote, one directory a corpus
  --doubles FILE         training utterances to be left out (python -m steps.asr.large.deduplicate)
  --per-shard N          utterances a shard (default: 2000)
  --nj N                 tasks (default: 1)
  --cmd CMD              how tasks are run (default: utils/job.sh)
  --debug                show Python tracebacks

Writes OUT/{train,dev,test}/<corpus>/, a set each (steps/asr/large/lazy_cuts.py says what is in it), and OUT/log/. An
interrupted run is taken up at the shards that are missing.
END
}

prepared="" doubles="" per_shard=2000 nj=1 cmd=$ROOT/utils/job.sh positional=()
front_end_options "prepared doubles per-shard nj cmd" "" "$@"
read -ra directories <<<"$prepared"
[ "${#directories[@]}" -gt 0 ] || fail "--prepared \"DIR ...\" is missing; see --help"
[ "${#positional[@]}" -eq 1 ] || fail "expected one output directory, found ${#positional[@]} arguments; see --help"
check_count nj
check_count per_shard
out=${positional[0]%/}

front_end_environment
front_end_job

export=(python -m steps.asr.large.export_shar)
prepare=(--prepared "${directories[@]}" --per-shard "$per_shard")
[ -z "$doubles" ] || prepare+=(--doubles "$doubles")

"${export[@]}" "${prepare[@]}" -- "$out"
"${job[@]}" --max-jobs-run "$nj" JOB=1:"$nj" "$out/log/export.{JOB}.log" \
  "${export[@]}" --task "{JOB}" --num-tasks "$nj" "$out"
"${export[@]}" --finish "$out"
