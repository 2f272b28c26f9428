#!/usr/bin/env bash
# Extract one kind of features for every utterance of a data set, by array tasks. --help shows the options.
set -euo pipefail
ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)

usage() {
  cat <<'END'
Usage: steps/extract_features.sh --features NAME [option ...] DATA

  --features NAME   fbank, fbank_lssed, is09, is10, compare, is10_lld, compare_lld, given, or any NAME whose
                    conf/NAME.yaml says how
  --nj N            tasks (default: 1)
  --cmd CMD         how tasks are run (default: utils/job.sh)
  --set "KEY=VALUE ..."   over conf/NAME.yaml
  --from DIR        take given features from DIR/<id>.npy (with --features given)
  --out DIR         default: DATA/NAME
  --debug           show Python tracebacks

Writes DIR/feature.json, archive.<j>.npy, index.<j>.tsv, failed.<j>.tsv and DIR/log/. An interrupted run is taken up
at the tasks that are missing. Exit status 1 unless every utterance is stored or listed as failed, each once.
END
}

fail() {
  printf 'error: extract_features.sh: %s\n' "$1" >&2
  exit 2
}

features="" nj=1 cmd=$ROOT/utils/job.sh set="" from="" out="" data=""
while [ $# -gt 0 ]; do
  case $1 in
    -h | --help) usage; exit 0 ;;
    --debug) export EMOTION_DEBUG=1; shift ;;
    --features | --nj | --cmd | --set | --from | --out)
      [ $# -ge 2 ] || fail "$1 needs a value"
      printf -v "${1#--}" %s "$2"
      shift 2
      ;;
    -*) fail "unknown option $1; see --help" ;;
    *)
      [ -z "$data" ] || fail "unexpected argument '$1'; one data directory is expected"
      data=$1
      shift
      ;;
  esac
done
[ -n "$features" ] || fail "--features NAME is missing; see --help"
[ -n "$data" ] || fail "the data directory is missing; see --help"
[[ $nj =~ ^[1-9][0-9]{0,5}$ ]] || fail "--nj is '$nj'; accepted: 1 or more"
out=${out:-$data/$features}

if [[ ":${PYTHONPATH:-}:" != *":$ROOT:"* ]]; then
  # shellcheck source=path.sh
  . "$ROOT/path.sh"
fi

# The path of job.sh may hold spaces; the words after it are options.
case $cmd in
  "$ROOT/utils/job.sh" | "$ROOT/utils/job.sh "*)
    job=("$ROOT/utils/job.sh")
    read -ra options <<<"${cmd#"$ROOT/utils/job.sh"}"
    job+=("${options[@]}")
    ;;
  *) read -ra job <<<"$cmd" ;;
esac

extract=(python -m steps.features.extract --features "$features" --data "$data" --out "$out" --num-tasks "$nj")
[ -z "$set" ] || extract+=(--set "$set")
[ -z "$from" ] || extract+=(--from "$from")

"${extract[@]}" --prepare
"${job[@]}" --max-jobs-run "$nj" JOB=1:"$nj" "$out/log/extract.{JOB}.log" \
  "${extract[@]}" --task "{JOB}" --index "$out/index.{JOB}.tsv"
"${extract[@]}" --finish
