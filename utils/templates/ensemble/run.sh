#!/usr/bin/env bash
# @corpus@: baselines, the subsystems of the MEC 2017 ensemble and their fusion.
set -euo pipefail
cd "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")"
. ../../../utils/recipe.sh
. ../../../steps/options_ensemble.sh

@source@
option fields     ""              "further columns or fields that are taken, \"NAME:TYPE ...\", such as \"mood:float\""
option protocol   @protocol@ "folds of data/@corpus@/splits/<protocol>.tsv"
ensemble_options "@norms@" speechocean762 none
parse_options "$@"

recipe_begin @corpus@
recipe_stages asr ensemble

stage_prepare 1
stage_validate 2
ensemble_features     # 10 to 22
ensemble_more         # 23 to 24
ensemble_comparisons  # 25 to 29
ensemble_baselines    # 30 to 33
ensemble_subsystems   # 34 to 41
ensemble_fusion       # 42
ensemble_robustness   # 43.1 to 59
ensemble_results      # 60 to 64
run_stages
