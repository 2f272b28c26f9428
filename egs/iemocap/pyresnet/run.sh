#!/usr/bin/env bash
# IEMOCAP: PyResNet and ResNet on spectrograms, four classes, sessions apart.
set -euo pipefail
cd "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")"
. ../../../utils/recipe.sh
. ../../../steps/options_pyresnet.sh

option corpus-dir ""              "directory with Session1 ... Session5"
option allow-partial false        "go on when recordings of the published corpus are missing" --choices "true false"
option protocol   five_sessions   "excited as happy, or left out; or one speaker out" --choices "five_sessions five_sessions_unmerged one_speaker_out"
pyresnet_options
parse_options "$@"

recipe_begin iemocap
recipe_stages pyresnet

stage_prepare 1 --allow-partial "$allow_partial"
stage_validate 2
pyresnet_features     # 10 to 15
pyresnet_baseline     # 30
pyresnet_networks     # 31 to 32
pyresnet_comparisons  # 33 to 35
pyresnet_windows      # 36 to 39
pyresnet_results      # 60 to 64
run_stages
