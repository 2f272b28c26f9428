#!/usr/bin/env bash
# Decode a data set by a recogniser, by array tasks. --help shows the options.
set -euo pipefail
# shellcheck source=utils/front_end.sh
. "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/../utils/front_end.sh"

usage() {
  cat <<'END'
Usage: steps/decode_transcripts.sh --asr DIR [option ...] DATA OUT

  --asr DIR         recogniser, own or foreign
  --method M        greedy, prefix or graph (default: as conf/asr_decode.yaml says)
  --graph DIR       decoding graph, of steps/make_graph.sh; needed by graph
  --split NAME      decode a part of this protocol only, with --part
  --fold K          with --split (default: 1)
  --part PART       with --split: train, dev or test
  --features DIR    default: DATA/fbank, or what else the recogniser takes
  --set "KEY=VALUE ..."   over conf/asr_decode.yaml
  --device D        of the network: cpu or cuda (default: cpu)
  --nj N            tasks (default: 1)
  --cmd CMD         how tasks are run (default: utils/job.sh)
  --debug           show Python tracebacks

Writes OUT/hypotheses.tsv: id, text, confidence, words with times and confidences, n-best list. An utterance without
features has an empty text and list, and is named. An interrupted run is taken up at the tasks that are missing.
END
}

asr="" method="" graph="" split="" fold=1 part="" features="" set="" device=cpu nj=1 cmd=$ROOT/utils/job.sh
positional=()
front_end_options "asr method graph split fold part features set device nj cmd" "" "$@"
[ -n "$asr" ] || fail "--asr DIR is missing; see --help"
[ "${#positional[@]}" -eq 2 ] || fail "expected the data and the output directory, found ${#positional[@]} arguments"
check_count nj
check_count fold
data=${positional[0]} out=${positional[1]%/}

front_end_environment
front_end_job

decode=(python -m steps.asr.decode.decode_task --asr "$asr" --data "$data" --out "$out" --num-tasks "$nj" --device "$device")
[ -z "$method" ] || decode+=(--method "$method")
[ -z "$graph" ] || decode+=(--graph "$graph")
[ -z "$split" ] || decode+=(--split "$split" --fold "$fold")
[ -z "$part" ] || decode+=(--part "$part")
[ -z "$features" ] || decode+=(--features "$features")
[ -z "$set" ] || decode+=(--set "$set")

"${decode[@]}" --prepare
"${job[@]}" --max-jobs-run "$nj" JOB=1:"$nj" "$out/log/decode.{JOB}.log" \
  "${decode[@]}" --task "{JOB}" --table "$out/hypotheses.{JOB}.tsv"
"${decode[@]}" --finish
