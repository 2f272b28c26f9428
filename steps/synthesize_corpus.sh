#!/usr/bin/env bash
# Synthesize the recordings of a corpus that is made, not recorded, by array tasks. --help shows the options.
set -euo pipefail
# shellcheck source=utils/front_end.sh
. "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/../utils/front_end.sh"

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

corpus="" set="" size=full seed=0 nj=1 cmd=$ROOT/utils/job.sh positional=()
front_end_options "corpus set size seed nj cmd" "" "$@"
[ -n "$corpus" ] || fail "--corpus NAME is missing; see --help"
[ "${#positional[@]}" -eq 1 ] || fail "expected one output directory, found ${#positional[@]} arguments; see --help"
out=${positional[0]}
check_count nj
[[ $seed =~ ^[0-9]{1,9}$ ]] || fail "--seed is '$seed'; accepted: 0 to 999999999"
case $size in full | tiny) ;; *) fail "--size is '$size'; accepted: full, tiny" ;; esac

front_end_environment
front_end_job

synthesize=(python -m local.synthesis.task --corpus "$corpus" --size "$size" --seed "$seed" --num-tasks "$nj")
[ -z "$set" ] || synthesize+=(--set "$set")

"${synthesize[@]}" --prepare "$out"
"${job[@]}" --max-jobs-run "$nj" JOB=1:"$nj" "$out/log/synthesize.{JOB}.log" "${synthesize[@]}" --task "{JOB}" "$out"
"${synthesize[@]}" --finish "$out"
