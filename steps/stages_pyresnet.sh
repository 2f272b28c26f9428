#!/usr/bin/env bash
# The stages of PyResNet (Fan et al., ICASSP 2021), in groups and with the same numbers in every recipe:
#
#      1 to  9   the recipe's own        manifest, splits
#     10 to 15   pyresnet_features       spectrograms; with --windows those of four windows; functionals
#     30         pyresnet_baseline       linear SVM on functionals
#     31 to 32   pyresnet_networks       ResNet, PyResNet
#     33 to 35   pyresnet_comparisons    VGG, MTS, head fusion (--comparisons)
#     36 to 39   pyresnet_windows        PyResNet on windows of 25, 40, 65 and 100 ms (--windows)
#     60 to 64   pyresnet_results        permuted labels, audit, scores, report, the model to use
#
# A recipe sources this file after steps/stages.sh. Another subsystem is one more stage_train line in the recipe. Settings,
# besides those of steps/stages.sh: architecture, width, windows, comparisons, folds; where a corpus gives features instead
# of recordings, spectrograms (precomputed), precomputed_as (the extractor that makes such of a recording, for the exported model) and
# functionals (is13 in $functionals_dir, or nothing).
# shellcheck disable=SC2154,SC2034  # the settings above are the recipe's
spectrograms=${spectrograms:-fbank_lssed} functionals=${functionals-is10} functionals_dir=${functionals_dir:-}
width_of_size
recipe_options=""
[ "$windows" != true ] || recipe_options+="--windows true "
[ "$comparisons" != true ] || recipe_options+="--comparisons true "
[[ $folds =~ ^[0-9[:space:]]*$ ]] || _o_fail "--folds is '$folds'; accepted: whole numbers, such as \"1 2\""

pyresnet_features() {
  stage_features 10 "$spectrograms"
  if [ "$windows" = true ]; then
    stage_features 11 fbank_25ms
    stage_features 12 fbank_40ms
    stage_features 13 fbank_65ms
    stage_features 14 fbank_100ms
  fi
  [ -z "$functionals" ] || stage_features 15 "$functionals" "$functionals_dir"
}

# pyresnet_train N SUBSYSTEM CONFIG FEATURES [KEY=VALUE ...]: what --set says has the last word.
pyresnet_train() {
  local number=$1 subsystem=$2 config=$3 features=$4 own=(); shift 4
  [ "$config" = linear_svm ] || own=(--own "$config:model.width=$width $*")
  stage_train "$number" "$subsystem" "$config" "$features" "${own[@]}" --folds "$folds"
}

pyresnet_baseline() {
  [ -z "$functionals" ] || pyresnet_train 30 "svm_$functionals" linear_svm "$functionals"
}

pyresnet_networks() {
  pyresnet_train 31 resnet   resnet   "$spectrograms" "resnet:model.architecture=resnet$architecture"
  pyresnet_train 32 pyresnet pyresnet "$spectrograms" "pyresnet:model.architecture=pyresnet$architecture"
}

pyresnet_comparisons() {
  [ "$comparisons" = true ] || return 0
  pyresnet_train 33 vgg         vgg         "$spectrograms"
  pyresnet_train 34 mts         mts         "$spectrograms"
  pyresnet_train 35 head_fusion head_fusion "$spectrograms"
}

# A step of training sees at most 5.12 s (160 frames of conf/fbank_lssed.yaml), whatever the frames are.
pyresnet_windows() {
  local n=35 window words
  [ "$windows" = true ] || return 0
  for window in 25 40 65 100; do
    words="pyresnet:model.architecture=pyresnet$architecture"
    [ "$size" = tiny ] || words+=" pyresnet:frames.max_crop=$((10240 / window))"
    pyresnet_train $((n += 1)) "pyresnet_${window}ms" pyresnet "fbank_${window}ms" "$words"
  done
}

# Without functionals the labels are permuted for a narrow PyResNet: a linear SVM takes no frames.
pyresnet_permuted() {
  if [ -n "$functionals" ]; then
    stage_permuted 60 "$functionals"
  else
    stage_permuted 60 "$spectrograms" pyresnet --set "${tiny}pyresnet:model.width=0.0625 pyresnet:training.epochs=5"
  fi
}

pyresnet_results() {
  local words=()
  [ -z "${precomputed_as:-}" ] || words=(--precomputed-as "$precomputed_as")
  pyresnet_permuted
  stage_audit      61
  stage_score      62 --reference resnet
  stage_report     63
  stage_export_one 64 pyresnet "$spectrograms" "${words[@]}"
}
