#!/usr/bin/env bash
# DAIC-WOZ: depression from interviews; networks that start from random weights, an emotion model, a recognizer.
set -euo pipefail
cd "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")"
. ../../../utils/recipe.sh

option corpus-dir   ""            "directory with 300_P ... 492_P and the tables of AVEC 2017"
option allow-partial false        "go on when sessions of the published corpus are missing" --choices "true false"
option protocol     avec2017      "avec2017: the official parts" --choices "avec2017"
option init         "../../lssed/pyresnet/exp/model" "emotion model (steps/export.sh) to start from; none: left out"
option asr          "../../speechocean762/asr/exp/recognizer" "recognizer to start from; none: left out"
option architecture 50            "depth of PyResNet, the emotion model's" --choices "50 101 152"
option width        ""            "share of the published channels, the emotion model's (default: 1.0; tiny: 0.0625)"
option per-unit     20            "segments that an epoch draws of every session" --int
option phq8         true          "also predict the points of the PHQ-8" --choices "true false"
option norms        "global"      "feature normalizations, one experiment each: global, speaker, none"
option seeds        "0"           "seeds of each network"
option set          ""            "key=value ... over every model configuration"
option size         full          "full, or tiny: two sessions a part" --choices "full tiny"
option nj           2             "parallel tasks" --int --free
option gpus         0             "GPUs for each task of training" --int --free
option cluster      local         "local, slurm, sge, or a YAML file" --free
parse_options "$@"

recipe_begin daic_woz
recipe_stages transfer

stage_prepare 1 --allow-partial "$allow_partial"
stage_validate 2
transfer_features   # 10 to 12
transfer_baseline   # 30
transfer_networks   # 31 to 34
[ "$phq8" = false ] || transfer_numbers phq8   # 41 to 44
transfer_results    # 60 to 63
run_stages
