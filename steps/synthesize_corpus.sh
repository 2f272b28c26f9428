#!/usr/bin/env bash
# Synthesise the recordings of a corpus that is made, not recorded, by array tasks. --help shows the options.
set -euo pipefail
ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)

usage() {
  cat <<'END'
Usage: steps/synthesize_corpus.sh --corpus NAME [option ...] OUT

  --corpus NAME     module local/NAME.py, which plans the utterances
  --set SET         which of the corpus's sets (default: its first)
  --size SIZE       full, or tiny: about 60 utterances (default: full)
  --seed N          the same seed gives the same bytes, over any number of tasks (default: 0)
  --nj N            tasks (default: 1)
  --cmd CMD         how tasks are run (default: utils/job.sh)
  --debug           show Python tracebacks

Writes OUT/wav/<speaker>/<utterance>.wav, OUT/utterances.tsv, OUT/synthesis.json and OUT/log/. An interrupted run is
taken up at the utterances that are missing; recordings of other settings in OUT are removed first.
END
}

fail() {
  printf 'error: synthesize_corpus.sh: %s\n' "$1" >&2
  exit 2
}

corpus="" set="" size=full seed=0 nj=1 cmd=$ROOT/utils/job.sh out=""
while [ $# -gt 0 ]; do
  case $1 in
    -h | --help) usage; exit 0 ;;
    --debug) export EMOTION_DEBUG=1; shift ;;
    --corpus | --set | --size | --seed | --nj | --cmd)
      [ $# -ge 2 ] || fail "$1 needs a value"
      printf -v "${1#--}" %s "$2"
      shift 2
      ;;
    -*) fail "unknown option $1; see --help" ;;
    *)
      [ -z "$out" ] || fail "unexpected argument '$1'; one output directory is expected"
      out=$1
      shift
      ;;
  esac
done
[ -n "$corpus" ] || fail "--corpus NAME is missing; see --help"
[ -n "$out" ] || fail "the output directory is missing; see --help"
[[ $nj =~ ^[1-9][0-9]{0,5}$ ]] || fail "--nj is '$nj'; accepted: 1 or more"
[[ $seed =~ ^[0-9]{1,9}$ ]] || fail "--seed is '$seed'; accepted: 0 to 999999999"
case $size in full | tiny) ;; *) fail "--size is '$size'; accepted: full, tiny" ;; esac

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

synthesize=(python -m local.synthesis.task --corpus "$corpus" --size "$size" --seed "$seed" --num-tasks "$nj")
[ -z "$set" ] || synthesize+=(--set "$set")

"${synthesize[@]}" --prepare "$out"
"${job[@]}" --max-jobs-run "$nj" JOB=1:"$nj" "$out/log/synthesize.{JOB}.log" "${synthesize[@]}" --task "{JOB}" "$out"
"${synthesize[@]}" --finish "$out"
