#!/usr/bin/env bash
# RAVDESS: baselines, the four subsystems of the MEC 2017 ensemble and their fusion, actors apart.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
. ../../../utils/recipe.sh

option corpus-dir ""              "directory with Actor_01 ... Actor_24"
option allow-partial false        "go on when recordings of the published corpus are missing" --choices "true false"
option protocol   six_folds       "six_folds (EmoBox) or one_actor_out" --choices "six_folds one_actor_out"
option norms      "global speaker" "feature normalisations, one experiment each: global, speaker, none"
option seeds      "0"             "seeds of each network"
option set        ""              "key=value ... over every model configuration"
option ivectors   phone_states    "kinds of i-vectors (phone_states gmm tokens clusters); the first is the DNN's"
option asr        "../../speechocean762/asr/exp/recogniser" "recogniser; none: no i-vectors, no text"
option extractors "../../speechocean762/ivector/exp/ivector" "i-vector extractors, one directory a kind"
option comparisons false          "also C with mean and last pooling, and with one task" --choices "true false"
option noise      ""              "robustness: ratios in dB, such as \"20 10 5 0\"; empty: left out"
option musan      ""              "MUSAN, for its noise, music and speech; empty: our own sounds"
option size       full            "full, or tiny: about 60 utterances" --choices "full tiny"
option nj         2               "parallel tasks" --int --free
option cluster    local           "local, slurm, sge, or a YAML file" --free
parse_options "$@"

corpus=ravdess work=. results=RESULTS
[ "$size" = full ] || { work=$size; results=$size/RESULTS; }
data=$work/data/$corpus exp=$work/exp stage_dir=$work

. "$ROOT/path.sh"
. ./cmd.sh
. "$ROOT/steps/stages.sh"
. "$ROOT/steps/stages_asr.sh"
. "$ROOT/steps/stages_ensemble.sh"

stage_prepare 1 --allow-partial "$allow_partial"
stage_validate 2
ensemble_features     # 10 to 22
ensemble_comparisons  # 24 to 26
ensemble_baselines    # 30 to 33
ensemble_subsystems   # 34 to 41
ensemble_fusion       # 42
ensemble_robustness   # 43 to 59
ensemble_results      # 60 to 64
run_stages
