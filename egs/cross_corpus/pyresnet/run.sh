#!/usr/bin/env bash
# Cross-corpus tests in common classes: each corpus trains once and is tested by all; PyResNet, ResNet and a linear SVM.
set -euo pipefail
cd "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")"
. ../../../utils/recipe.sh
. ../../../steps/options_pyresnet.sh

egs=../..
option corpora    "$egs/ravdess/pyresnet/data/ravdess $egs/emodb/pyresnet/data/emodb $egs/mini/pyresnet/data/mini" \
                                  "prepared data sets, [NAME=]DIR ...; tiny: two synthetic ones unless named"
option map        ""              "YAML: common classes, and every corpus's labels (default: conf/common_classes.yaml)"
option protocols  ""              "CORPUS=PROTOCOL ...: each corpus's own (default: its first)"
option own-folds  first           "train on the first fold of a corpus's own protocol, or on all" --choices "first all"
option spectrograms fbank_lssed   "precomputed: where the corpora come as features only" --choices "fbank_lssed precomputed" --value-was given precomputed
pyresnet_options pooled
parse_options "$@"

recipe_begin pooled
protocol=cross
# shellcheck disable=SC2034  # the stages read it
[ "$spectrograms" != precomputed ] || functionals=""
map=${map:-$ROOT/conf/common_classes.yaml}
recipe_stages pyresnet cross_corpus

if [ "$size" = tiny ] && [[ $corpora == "$egs/"* ]]; then
  corpora=""
  stage_mini 1 0 mini
  stage_mini 3 1 mini_other
fi
stage_pool 5
stage_validate 6
pyresnet_features     # 10 to 15
pyresnet_baseline     # 30
pyresnet_networks     # 31 to 32
pyresnet_comparisons  # 33 to 35
pyresnet_windows      # 36 to 39
pyresnet_permuted     # 60
stage_audit       61
stage_score_cross 62
stage_report      63
run_stages
