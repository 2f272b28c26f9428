#!/usr/bin/env bash
# The synthetic corpus "mini": every stage of the ensemble in minutes, without a license to sign.
set -euo pipefail
cd "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")"
. ../../../utils/recipe.sh
. ../../../steps/options_ensemble.sh

option protocol   official        "official: speakers and sentences apart" --choices "official"
option synthesis-seed 0           "seed of the synthetic recordings" --int
ensemble_options "global" mini own
parse_options "$@"

recipe_begin mini
corpus_dir=$work/data/synthetic
own_asr=$asr own_extractors=$extractors sub=${work#.}
if [ "$asr" = own ]; then asr=../asr${sub:+/$sub}/exp/recognizer; fi
if [ "$extractors" = own ]; then extractors=../ivector${sub:+/$sub}/exp/ivector; fi
recipe_stages asr ensemble
more=(--size "$size" --nj "$nj" --cluster "$cluster")

stage_synthesize 1
stage_prepare 2
stage_validate 3
[ "$own_asr" != own ] || stage 4 "Train the recognizer" --out "$asr" -- ../asr/run.sh "${more[@]}"
if [ "$asr" != none ] && [ "$own_extractors" = own ]; then
  stage 5 "Train the i-vector extractor" --in "$asr" --out "$extractors" -- ../ivector/run.sh "${more[@]}"
fi
ensemble_features     # 10 to 22
ensemble_more         # 23 to 24
ensemble_comparisons  # 25 to 29
ensemble_baselines    # 30 to 33
ensemble_subsystems   # 34 to 41
ensemble_fusion       # 42
ensemble_robustness   # 43.1 to 59
ensemble_results      # 60 to 64
run_stages
