#!/usr/bin/env bash
# SAVEE: the ensemble on seven emotions, one speaker out.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
. ../../../utils/recipe.sh

option corpus-dir ""              "directory with DC/a01.wav ... or DC_a01.wav ..."
option allow-partial false        "go on when recordings of the published corpus are missing" --choices "true false"
option protocol   one_speaker_out "one_speaker_out" --choices "one_speaker_out"
option norms      "global speaker" "feature normalisations, one experiment each: global, speaker, none"
option seeds      "0"             "seeds of each network"
option set        ""              "key=value ... over every model configuration"
option ivectors   ""              "kinds of i-vectors (gmm tokens clusters phone_states), with --asr and --extractors"
option asr        "../../speechocean762/asr/exp/recogniser" "recogniser that the i-vectors need"
option extractors "../../speechocean762/ivector/exp/ivector" "i-vector extractors, one directory a kind"
option size       full            "full, or tiny: about 60 utterances" --choices "full tiny"
option nj         2               "parallel tasks" --int --free
option cluster    local           "local, slurm, sge, or a YAML file" --free
parse_options "$@"

corpus=savee work=. results=RESULTS
[ "$size" = full ] || { work=$size; results=$size/RESULTS; }
data=$work/data/$corpus exp=$work/exp stage_dir=$work

. "$ROOT/path.sh"
. ./cmd.sh
. "$ROOT/steps/stages.sh"
. "$ROOT/steps/stages_asr.sh"

stage_prepare   1 --allow-partial "$allow_partial"
stage_validate  2
stage_features  3 is10
stage_features  4 compare
stage_train     5 forest_is10    random_forest is10
stage_train     6 svm_is10       linear_svm    is10
stage_train     7 dnn_compare    dnn           compare
stage_train     8 dnn_is10       dnn           is10
stage_train     9 multitask_is10 multitask_dnn is10
n=9
for kind in $ivectors; do
  stage_ivectors $((n += 1)) "$kind"
  stage_train    $((n += 1)) "svm_ivector_$kind" linear_svm "ivector_$kind"
done
stage_permuted 20 is10
stage_audit    21
stage_score    22
stage_report   23
run_stages
