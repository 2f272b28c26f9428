#!/usr/bin/env bash
# @corpus@: baselines, the subsystems of the MEC 2017 ensemble and their fusion.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
. ../../../utils/recipe.sh

@source@
option protocol   @protocol@ "folds of data/@corpus@/splits/<protocol>.tsv"
option norms      "@norms@" "feature normalisations, one experiment each: global, speaker, none"
option seeds      "0"             "seeds of each network"
option set        ""              "key=value ... over every model configuration"
option ivectors   phone_states    "kinds of i-vectors (phone_states gmm tokens clusters); the first is the DNN's"
option asr        none            "recogniser, e.g. ../../speechocean762/asr/exp/recogniser; none: no i-vectors, no text"
option extractors "../../speechocean762/ivector/exp/ivector" "i-vector extractors, one directory a kind"
option noise      ""              "robustness: ratios in dB, such as \"20 10 5 0\"; empty: left out"
option musan      ""              "MUSAN, for its noise, music and speech; empty: our own sounds"
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
. "$ROOT/steps/stages_asr.sh"
. "$ROOT/steps/stages_ensemble.sh"

stage_prepare 1
stage_validate 2
ensemble_features     # 10 to 22
ensemble_more         # 23
ensemble_baselines    # 30 to 33
ensemble_subsystems   # 34 to 41
ensemble_fusion       # 42
ensemble_robustness   # 43 to 59
ensemble_results      # 60 to 64
run_stages
