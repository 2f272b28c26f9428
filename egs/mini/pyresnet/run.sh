#!/usr/bin/env bash
# The synthetic corpus "mini": PyResNet and ResNet on spectrograms, without a license to sign.
set -euo pipefail
cd "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")"
. ../../../utils/recipe.sh
. ../../../steps/options_pyresnet.sh

option protocol   official        "official: speakers and sentences apart" --choices "official"
option synthesis-seed 0           "seed of the synthetic recordings" --int
pyresnet_options
parse_options "$@"

recipe_begin mini
corpus_dir=$work/data/synthetic
recipe_stages pyresnet

stage_synthesize 1
stage_prepare 2
stage_validate 3
pyresnet_features     # 10 to 15
pyresnet_baseline     # 30
pyresnet_networks     # 31 to 32
pyresnet_comparisons  # 33 to 35
pyresnet_windows      # 36 to 39
pyresnet_results      # 60 to 64
run_stages
