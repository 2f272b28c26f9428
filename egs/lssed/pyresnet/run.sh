#!/usr/bin/env bash
# LSSED: PyResNet and ResNet on its published spectrograms; it has no recordings.
set -euo pipefail
cd "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")"
. ../../../utils/recipe.sh
. ../../../steps/options_pyresnet.sh

option corpus-dir ""              "directory with metadata_english*.csv, spectrogram/ and perhaps is13/"
option allow-partial false        "go on when utterances of the published corpus are missing" --choices "true false"
option protocol   class_80_20     "as published (speakers in both parts), or speakers apart" --choices "class_80_20 speakers"
option functionals-dir ""         "IS13 functionals, <id>.npy (default: is13/ of --corpus-dir where it is there)"
pyresnet_options
parse_options "$@"

recipe_begin lssed
[ -n "$functionals_dir" ] || [ ! -d "$corpus_dir/is13" ] || functionals_dir=$corpus_dir/is13
# shellcheck disable=SC2034  # the stages read it
spectrograms=precomputed precomputed_as=fbank_lssed functionals=${functionals_dir:+is13}
recipe_stages pyresnet

stage_prepare 1 --allow-partial "$allow_partial"
stage_validate 2
pyresnet_features     # 10 to 15
pyresnet_baseline     # 30
pyresnet_networks     # 31 to 32
pyresnet_comparisons  # 33 to 35
pyresnet_results      # 60 to 64
run_stages
