#!/usr/bin/env bash
# The synthetic corpus "mini": every stage of the ensemble in minutes, without a licence to sign.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
. ../../../utils/recipe.sh

option protocol   official        "official: speakers and sentences apart" --choices "official"
option norms      "global"        "feature normalisations, one experiment each: global, speaker, none"
option seeds      "0"             "seeds of each network"
option set        ""              "key=value ... over every model configuration"
option asr        own             "recogniser that transcribes: own (trains ../asr), none, or a directory"
option size       full            "full (about 800 utterances), or tiny (about 60)" --choices "full tiny"
option synthesis-seed 0           "seed of the synthetic recordings" --int
option nj         2               "parallel tasks" --int --free
option cluster    local           "local, slurm, sge, or a YAML file" --free
parse_options "$@"

corpus=mini work=. results=RESULTS
[ "$size" = full ] || { work=$size; results=$size/RESULTS; }
data=$work/data/$corpus exp=$work/exp stage_dir=$work corpus_dir=$work/data/synthetic

. "$ROOT/path.sh"
. ./cmd.sh
. "$ROOT/steps/stages.sh"
. "$ROOT/steps/stages_asr.sh"

stage_synthesize 1
stage_prepare    2
stage_validate   3
stage_features   4 is10
stage_features   5 compare
stage_train      6 forest_is10    random_forest is10
stage_train      7 svm_is10       linear_svm    is10
stage_train      8 dnn_compare    dnn           compare
stage_train      9 dnn_is10       dnn           is10
stage_train     10 multitask_is10 multitask_dnn is10
stage_permuted  11 is10
stage_audit     12
stage_score     13
stage_report    14
if [ "$asr" = own ]; then
  asr=../asr/exp/recogniser
  [ "$size" = full ] || asr=../asr/$size/exp/recogniser
  stage 15 "Train the recogniser" --out "$asr" -- ../asr/run.sh --size "$size" --nj "$nj" --cluster "$cluster"
fi
if [ "$asr" != none ]; then
  stage_features   16 fbank
  stage_transcribe 17
fi
run_stages
