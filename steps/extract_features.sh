#!/usr/bin/env bash
# Extract one kind of features for every utterance of a data set, by array tasks. --help shows the options.
set -euo pipefail
# shellcheck source=utils/front_end.sh
. "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/../utils/front_end.sh"

usage() {
  cat <<'END'
Usage: steps/extract_features.sh --features NAME [option ...] DATA

  --features NAME   fbank, fbank_pitch, fbank_lssed, fbank_25ms, fbank_40ms, fbank_65ms, fbank_100ms, sequence36,
                    is09, is10, compare, is10_lld, compare_lld, speaker_mfcc, given, given_vectors, ivector
                    (steps/extract_ivectors.sh), or any NAME whose conf/NAME.yaml says how
  --nj N            tasks (default: 1)
  --cmd CMD         how tasks are run (default: utils/job.sh)
  --set "KEY=VALUE ..."   over conf/NAME.yaml; a value with spaces in quotes: "asr='a directory'"
  --from PATH       given: a directory of <id>.npy; given_vectors: a table, or an archive of Kaldi's; ivector: the
                    extractor
  --out DIR         default: DATA/NAME
  --debug           show Python tracebacks

Writes DIR/feature.json, archive.<j>.npy, index.<j>.tsv, failed.<j>.tsv and DIR/log/. An interrupted run is taken up
at the tasks that are missing. Exit status 1 unless every utterance is stored or listed as failed, each once.
END
}

features="" nj=1 cmd=$ROOT/utils/job.sh set="" from="" out="" positional=()
front_end_options "features nj cmd set from out" "" "$@"
[ -n "$features" ] || fail "--features NAME is missing; see --help"
[ "${#positional[@]}" -eq 1 ] || fail "expected one data directory, found ${#positional[@]} arguments; see --help"
check_count nj
data=${positional[0]} out=${out:-${positional[0]}/$features}

front_end_environment
front_end_job

extract=(python -m steps.features.extract --features "$features" --data "$data" --out "$out" --num-tasks "$nj")
[ -z "$set" ] || extract+=(--set "$set")
[ -z "$from" ] || extract+=(--from "$from")

"${extract[@]}" --prepare
"${job[@]}" --max-jobs-run "$nj" JOB=1:"$nj" "$out/log/extract.{JOB}.log" \
  "${extract[@]}" --task "{JOB}" --index "$out/index.{JOB}.tsv"
"${extract[@]}" --finish
