#!/usr/bin/env bash
# @corpus@: baselines and the multitask network on IS10.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
. ../../../utils/recipe.sh

@source@
option protocol   @protocol@ "folds of data/@corpus@/splits/<protocol>.tsv"
option norms      "@norms@" "feature normalisations, one experiment each: global, speaker, none"
option seeds      "0"             "seeds of each network"
option set        ""              "key=value ... over every model configuration"
option size       full            "full, or tiny: about 60 utterances" --choices "full tiny"
option nj         2               "parallel tasks" --int --free
option cluster    local           "local, slurm, sge, or a YAML file" --free
parse_options "$@"

corpus=@corpus@ work=. results=RESULTS
[ "$size" = full ] || { work=$size; results=$size/RESULTS; }
data=$work/data/$corpus exp=$work/exp stage_dir=$work

. "$ROOT/path.sh"
. ./cmd.sh
. "$ROOT/steps/stages.sh"

stage_prepare   1
stage_validate  2
stage_features  3 is10
stage_features  4 compare
stage_train     5 forest_is10    random_forest is10
stage_train     6 svm_is10       linear_svm    is10
stage_train     7 dnn_compare    dnn           compare
stage_train     8 dnn_is10       dnn           is10
stage_train     9 multitask_is10 multitask_dnn is10
stage_permuted 10 is10
stage_audit    11
stage_score    12
stage_report   13
run_stages
