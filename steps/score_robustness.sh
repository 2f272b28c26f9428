#!/usr/bin/env bash
# Score trained subsystems and their fusion on noisy test parts. --help shows the options.
set -euo pipefail
# shellcheck source=utils/front_end.sh
. "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/../utils/front_end.sh"

usage() {
  cat <<'END'
Usage: steps/score_robustness.sh --protocol NAME --conditions "NAME=DIR ..." [option ...] DATA EXP

  --protocol NAME   split in DATA/splits/NAME.tsv
  --conditions "NAME=DIR ..."   noisy sets of DATA (steps/make_noisy_set.sh --snr DB) with the features that the
                    subsystems read, and transcribed (steps/transcribe.sh) where one reads text
  --subsystems "NAME ..."   only these, fusions among them (default: all that kept their models)
  --leave-out "NAME ..."    subsystems that are not looked at, because they are unfinished, say
  --nj N            parallel tasks (default: 1)
  --tasks N         tasks, each with its share of the systems (default: one system a task); auto: as many as --nj on up
                    to 2000 utterances
  --cmd CMD         how tasks are run (default: utils/job.sh)
  --debug           show Python tracebacks

Nothing is learned: models, normalization, calibration and the weights of a fusion are those that were learned on clean
speech, or with noise (variants ...+aug). Each system's clean test part is scored too and must come out as it was. Writes
EXP/robustness/<protocol>.json, which steps/score.sh puts among the results, and below EXP/robustness/<protocol>/ the
scores of every condition.
END
}

protocol="" conditions="" subsystems="" leave_out="" nj=1 tasks="" cmd=$ROOT/utils/job.sh positional=()
front_end_options "protocol conditions subsystems leave-out nj tasks cmd" "" "$@"
for name in protocol conditions; do
  [ -n "${!name}" ] || fail "--$name is missing; see --help"
done
[ "${#positional[@]}" -eq 2 ] || fail "expected the data and the experiments' directory, found ${#positional[@]} arguments"
check_count nj
[[ $tasks =~ ^(auto)?$ ]] || check_count tasks
data=${positional[0]} exp=${positional[1]%/}

front_end_environment
front_end_job

score=(python -m steps.noise.score_robustness --protocol "$protocol" --conditions "$conditions"
  --subsystems "$subsystems" --leave-out "$leave_out")
plan=("${score[@]}" --plan)
[ -z "$tasks" ] || plan+=(--tasks "$tasks" --nj "$nj")
tasks=$("${plan[@]}" "$data" "$exp")
log=$exp/robustness/$protocol/log
if [ "$tasks" -gt 0 ]; then
  "${job[@]}" --max-jobs-run "$nj" JOB=1:"$tasks" "$log/apply.{JOB}.log" \
    python -m steps.noise.apply_conditions --conditions "$conditions" --data "$data" --exp "$exp" \
    --done "$log/applied.{JOB}.json" "$log/task.{JOB}.json"
fi
"${score[@]}" --finish "$data" "$exp"
