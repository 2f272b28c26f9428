#!/usr/bin/env bash
# Train one subsystem: every normalization, fold and seed is a task of its own. --help shows the options.
set -euo pipefail
# shellcheck source=utils/front_end.sh
. "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/../utils/front_end.sh"

usage() {
  cat <<'END'
Usage: steps/train_subsystem.sh --config NAME --inputs "NAME ..." --protocol NAME [option ...] DATA OUT

  --config NAME     conf/NAME.yaml, overlaid by the recipe's own: random_forest, linear_svm, dnn, multitask_dnn,
                    attention_rnn, text_svm, track_gru, ...
  --inputs "I ..."  what the subsystem reads, one input or several: features in DATA/NAME; text:asr, text:nbest or
                    text:reference, what is said (text: those of --sources); embedding:SUBSYSTEM[/VARIANT], what
                    another subsystem computes, trained with keep_embeddings=true on the same protocol, fold and seed
  --protocol NAME   split in DATA/splits/NAME.tsv
  --targets "T ..." predict these of the corpus's targets, such as phq8 (default: the first; of others the variant
                    says so: ...+target-phq8)
  --init MODEL      exported model (steps/export.sh) or recognizer: the network starts from its trunk (default: none,
                    random weights); what it was trained on is told to the leak audit
  --norms "N ..."   normalizations, one experiment each: global, speaker, none (default: global)
  --sources "S ..." of --inputs text, one experiment each: asr, nbest, reference (default: as configured)
  --seeds "S ..."   seeds (default: 0); a deterministic subsystem runs the first one only
  --folds "F ..."   folds (default: all)
  --set "KEY=VALUE ..."   over the configuration; NAME:KEY=VALUE concerns conf/NAME.yaml only
  --augment DATA2   noisy set of DATA (steps/make_noisy_set.sh --snr random): train every experiment a second time, with
                    DATA2's copies of its training utterances too (variant ...+aug); dev and test stay clean
  --labels N        hide all but N labels of every training part, stratified by class and spread over speakers (variant
                    ...+labels-N); what is hidden is unlabelled. Dev keeps its labels, and so does a refit on train and dev
  --label-share S   hide all but this share of them, e.g. 0.1 (variant ...+labels-0.1)
  --unlabelled "DATA[:PROTOCOL/PART] ..."   sets of utterances that training may use without labels, with the same
                    features (variant ...+unlabelled-<set>); refused where they share speakers or sound with dev or test
  --permute-labels  shuffle the labels of train and dev, for the leak audit (variant ...+permuted)
  --nj N            parallel tasks (default: 1)
  --tasks N         tasks, each of which works through its share of the experiments in one process (default: one
                    experiment a task); auto: as many as --nj where to start a process takes longer than to train, which
                    is on up to 2000 utterances that have a vector or text each
  --cmd CMD         how tasks are run (default: utils/job.sh)
  --device D        auto, cpu or cuda (default: auto)
  --processes N     processes that train one network together, by torchrun (default: 1)
  --debug           show Python tracebacks

OUT is exp/<subsystem>/<protocol>. Writes OUT/subsystem.json, OUT/log/ and, for each experiment,
OUT/<variant>/fold<k>/seed<s>/ with config.yaml, log/curve.tsv, scores/<target>/{dev,test}.tsv and metrics.json.
Finished experiments are kept, unfinished ones taken up at their checkpoint. Exit status 1 unless all are there.
END
}

config="" inputs="" protocol="" targets="" init=none norms=global sources="" seeds=0 folds="" augment="" labels="" label_share="" unlabelled="" set="" nj=1 tasks="" cmd=$ROOT/utils/job.sh device=auto
processes=1 permute_labels=false positional=()
front_end_renamed label targets
front_end_renamed features inputs
front_end_options "config inputs protocol targets init norms sources seeds folds augment labels label-share unlabelled set nj tasks cmd device processes" "permute-labels" "$@"
for name in config inputs protocol; do
  [ -n "${!name}" ] || fail "--$name NAME is missing; see --help"
done
[ -n "$init" ] || fail "--init is empty; give a model's directory, or none"
[ "${#positional[@]}" -eq 2 ] || fail "expected the data and the output directory, found ${#positional[@]} arguments"
data=${positional[0]} out=${positional[1]%/}
check_count nj
[[ $tasks =~ ^(auto)?$ ]] || check_count tasks
check_count processes
[[ $device =~ ^(auto|cpu|cuda)$ ]] || fail "--device is '$device'; accepted: auto, cpu, cuda"

front_end_environment
front_end_job

plan=(python -m steps.experiments.plan --config "$config" --inputs "$inputs" --protocol "$protocol"
  --targets "$targets" --init "$init" --norms "$norms" --sources "$sources" --seeds "$seeds" --folds "$folds" --set "$set" --data "$data" --out "$out")
if "$permute_labels"; then plan+=(--permute-labels); fi
[ -z "$augment" ] || plan+=(--augment "$augment")
[ -z "$labels" ] || plan+=(--labels "$labels")
[ -z "$label_share" ] || plan+=(--label-share "$label_share")
[ -z "$unlabelled" ] || plan+=(--unlabelled "$unlabelled")
[ -z "$tasks" ] || plan+=(--tasks "$tasks" --nj "$nj")
planned=$("${plan[@]}")
tasks=${planned%% *} log=${planned#* }

run=(python) with=(--data "$data" --out "$out")
[ "$init" = none ] || with+=(--init "$init")
[ -z "$augment" ] || with+=(--augment "$augment")
[ -z "$unlabelled" ] || with+=(--unlabelled "$unlabelled")
if [ "$processes" -gt 1 ]; then run+=(-m torch.distributed.run --standalone "--nproc-per-node=$processes"); fi
"${job[@]}" --max-jobs-run "$nj" JOB=1:"$tasks" "$log/train.{JOB}.log" \
  "${run[@]}" -m steps.experiments.run_task --device "$device" "${with[@]}" "$log/task.{JOB}.json"

"${plan[@]}" --finish
