#!/usr/bin/env bash
# SAVEE: the ensemble on seven emotions, one speaker out.
set -euo pipefail
cd "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")"
. ../../../utils/recipe.sh
. ../../../steps/options_ensemble.sh

option corpus-dir ""              "directory with DC/a01.wav ... or DC_a01.wav ..."
option allow-partial false        "go on when recordings of the published corpus are missing" --choices "true false"
option protocol   one_speaker_out "one_speaker_out" --choices "one_speaker_out"
ensemble_options "global speaker" speechocean762
parse_options "$@"

recipe_begin savee
# shellcheck disable=SC2034  # the stages read it
texts=text:asr   # no reference texts
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
