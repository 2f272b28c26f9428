#!/usr/bin/env bash
# The stages of the comparison of starts (Fan et al., ICASSP 2021, section 4.5): the same task from random weights, from an
# emotion model and from a recognizer's encoder.
#
#     10 to 12   transfer_features       spectrograms, filter banks, functionals
#     30         transfer_baseline       linear SVM on functionals
#     31 to 34   transfer_networks       PyResNet, random and from $init; the recognizer's encoder, random and from $asr
#     41 to 44   transfer_numbers TARGET the same four, predicting a number of the corpus
#     60 to 63   transfer_results        permuted labels, audit, scores, report
#
# A recipe sources this file after steps/stages.sh. Settings, besides those of steps/stages.sh: init (an exported PyResNet,
# or none), asr (a recognizer, or none), architecture, width, per_unit (segments that an epoch draws of a session).
# shellcheck disable=SC2154,SC2034  # the settings above are the recipe's
width_of_size
recipe_options="--init $init --asr $asr "

transfer_features() {
  stage_features 10 fbank_lssed
  stage_features 11 fbank
  stage_features 12 is10
}

transfer_baseline() { stage_train 30 svm_is10 linear_svm is10; }

transfer_networks() {
  transfer_train 31 pyresnet_random pyresnet    fbank_lssed random
  transfer_train 32 pyresnet_ser    pyresnet    fbank_lssed "$init"
  transfer_train 33 asr_random      asr_encoder fbank       random
  transfer_train 34 asr_pretrained  asr_encoder fbank       "$asr"
}

transfer_numbers() {
  local target=$1 metric=training.metric=MAE
  transfer_train 41 pyresnet_random pyresnet    fbank_lssed random  "$target" "$metric"
  transfer_train 42 pyresnet_ser    pyresnet    fbank_lssed "$init" "$target" "$metric"
  transfer_train 43 asr_random      asr_encoder fbank       random  "$target" "$metric"
  transfer_train 44 asr_pretrained  asr_encoder fbank       "$asr"  "$target" "$metric"
}

# transfer_train N SUBSYSTEM CONFIG FEATURES START [TARGET KEY=VALUE]: START is random, a model's directory, or none: left
# out. TARGET: empty for the default one. A recognizer normalizes its features itself. What --set says has the last word.
transfer_train() {
  local number=$1 subsystem=$2 config=$3 features=$4 from=$5 target=${6:-} own="" words=()
  if [ "$from" = none ]; then
    echo "note: without a model to start from $subsystem is left out" >&2
    return 0
  fi
  own="$config:training.per_unit=$per_unit ${7:+$config:$7 }"
  [ "$config" != pyresnet ] || own+="pyresnet:model.architecture=pyresnet$architecture pyresnet:model.width=$width "
  if [ "$from" != random ]; then words+=(--init "$from"); fi
  # A recognizer brings its sizes with it; what is tiny and starts from nothing need not be so large.
  [ "$config/$from/$size" != asr_encoder/random/tiny ] ||
    own+="'asr_encoder:model.encoder={dim: 16, layers: 1, heads: 2, channels: 4}' "
  [ "$subsystem" != asr_pretrained ] || words+=(--norms none)
  stage_train "$number" "$subsystem" "$config" "$features" "${words[@]}" --targets "$target" --set "$tiny$own$set"
}

transfer_results() {
  stage_permuted 60 is10
  stage_audit    61
  stage_score    62
  stage_report   63
}
