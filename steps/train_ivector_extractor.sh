#!/usr/bin/env bash
# Train an i-vector extractor by array tasks. --help shows the options.
set -euo pipefail
# shellcheck source=utils/front_end.sh
. "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/../utils/front_end.sh"

usage() {
  cat <<'END'
Usage: steps/train_ivector_extractor.sh --occupancy KIND [--asr DIR] [option ...] DATA OUT

  --occupancy KIND  what tells the components: phone_states (the recognizer's head, DIR/phone_states), clusters (of its
                    hidden states), tokens (its CTC posteriors), gmm (a mixture; no recognizer) (default: phone_states)
  --asr DIR         the recognizer; for phone_states also a head that was trained without one
  --split P[/PART]  fold 1 of DATA/splits/P.tsv, part PART (default: official/train)
  --config NAME     conf/NAME.yaml (default: ivector_extractor)
  --set "KEY=VALUE ..."   over the configuration
  --nj N            tasks (default: 1)
  --cmd CMD         how tasks are run (default: utils/job.sh)
  --device D        auto, cpu or cuda, of EM (default: auto)
  --debug           show Python tracebacks

Features are read from DATA/speaker_mfcc and DATA/fbank where they are, else computed from the audio.
Writes OUT/extractor/ (extractor.json, model.safetensors, backend.safetensors), OUT/log/ and what the steps leave. An
interrupted run is taken up at the step, the task or the iteration that is missing.
END
}

occupancy=phone_states asr="" split=official/train config=ivector_extractor set="" nj=1 cmd=$ROOT/utils/job.sh
device=auto positional=()
front_end_options "occupancy asr split config set nj cmd device" "" "$@"
[ "${#positional[@]}" -eq 2 ] || fail "expected the data and the output directory, found ${#positional[@]} arguments"
[[ $occupancy =~ ^(phone_states|clusters|tokens|gmm)$ ]] ||
  fail "--occupancy is '$occupancy'; accepted: phone_states, clusters, tokens, gmm"
[ "$occupancy" = gmm ] || [ -n "$asr" ] || fail "--occupancy $occupancy needs --asr DIR"
check_count nj
data=${positional[0]} out=${positional[1]%/}

front_end_environment
front_end_job

train=(python -m steps.ivector.train_extractor --data "$data" --out "$out" --split "$split" --config "$config"
  --set "occupancy=$occupancy $set" --num-tasks "$nj" --device "$device")
[ -z "$asr" ] || train+=(--asr "$asr")

# array STEP TASKS LEAVES [ITERATION]: the tasks of a step; LEAVES names what each leaves.
array() {
  local words=(--step "$1" --task "{JOB}" --leaves "$out/$3")
  [ $# -lt 4 ] || words+=(--iteration "$4")
  "${job[@]}" --max-jobs-run "$nj" JOB=1:"$2" "$out/log/$1${4:+.$4}.{JOB}.log" "${train[@]}" "${words[@]}"
}

iterations=$("${train[@]}" --step prepare)
read -r next last <<<"$iterations"
array occupancy 1 "occupancy.{JOB}.safetensors"
array statistics "$nj" "statistics/index.{JOB}.tsv"
array ubm 1 "ubm.{JOB}.safetensors"
for ((k = next; k <= last; k++)); do
  array accumulate "$nj" "accumulators/$k.{JOB}.safetensors" "$k"
  array update 1 "iteration.$k/objectives.{JOB}.json" "$k"
done
array finish 1 "finished.{JOB}.json"
sed -n '/^extractor: /p; /: without statistics/p' "$out/log/finish.1.log"
