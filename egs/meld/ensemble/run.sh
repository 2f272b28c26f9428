#!/usr/bin/env bash
# MELD: the ensemble on the official split.
set -euo pipefail
cd "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")"
. ../../../utils/recipe.sh
. ../../../steps/options_ensemble.sh

option corpus-dir ""              "directory with train_sent_emo.csv ... and the sound: train/dia0_utt0.wav ..."
option allow-partial false        "go on when recordings of the published corpus are missing" --choices "true false"
option protocol   official        "official: the published parts, which share speakers" --choices "official"
ensemble_options "global" speechocean762
parse_options "$@"

recipe_begin meld
recipe_stages asr ensemble

stage_prepare 1 --allow-partial "$allow_partial"
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
