#!/usr/bin/env bash
# The stages of the MEC 2017 ensemble (Tao, Liu & Zhao, ICASSP 2018), in groups and with the same numbers in every recipe:
#
#      1 to  9   the recipe's own        manifest, splits; a recognizer
#     10 to 22   ensemble_features       is10, compare, is10_lld; fbank, transcripts, i-vectors where there is a
#                                        recognizer; with --noise the same of a noisy copy of the training parts
#     23 to 24   ensemble_more           what $extended may name beside the baselines: a linear SVM on ComParE, a PyResNet
#                                        on spectrograms (--spectrograms)
#     25 to 29   ensemble_comparisons    C with other poolings, one task, the advanced LSTM, every frame (--comparisons)
#     30 to 33   ensemble_baselines      random forest, linear SVM, single-task DNNs
#     34 to 41   ensemble_subsystems     A multitask DNN, B the same on i-vectors, C attention RNN, D text; i-vectors' SVMs
#     42         ensemble_fusion         linear sums of A to D, and of these and $extended; dev declares the primary one
#     43.1 to 59 ensemble_robustness     A to D and their fusion, trained clean and with noise, at the ratios of --noise
#     60 to 64   ensemble_results        permuted labels, audit, scores, report, the model to use
#
# A recipe sources this file after steps/stages.sh and steps/stages_asr.sh. Another subsystem is one more stage_train line
# in the recipe, and its name in $extended (or in $fused, then the published four are not fused by themselves). A recipe
# may say extended itself, before it sources this file: what its dev parts speak for.
# Settings, besides those of steps/stages.sh: asr (a recognizer, or none), extractors, ivectors (kinds; the first is
# B's), noise (ratios in dB, or nothing), musan (a directory, or nothing), texts (default: text:asr text:reference),
# comparisons and spectrograms (true or false).
# shellcheck disable=SC2154,SC2034  # the settings above are the recipe's
[ "$asr" != none ] || ivectors=""
fused=(multitask_is10 multitask_ivector attention_lld text) extended=${extended-svm_is10 svm_compare}
recipe_options=""
[ "${comparisons:-false}" != true ] || recipe_options+="--comparisons true "
[ "${spectrograms:-false}" != true ] || recipe_options+="--spectrograms true "
noise=${noise:-} own_kind=${ivectors%% *} augment=()
if [ -n "$noise" ]; then
  augment=(--augment "${data}_noisy")
  recipe_options+="--noise '$noise' "
fi
more_features=(compare)   # what the members of $extended read that A to D do not
[ "${spectrograms:-false}" != true ] || more_features+=(fbank_lssed)

ensemble_features() {
  local n=14 kind
  stage_features 10 is10
  stage_features 11 compare
  stage_features 12 is10_lld
  [ "$asr" = none ] || stage_features 13 fbank
  [ "$asr" = none ] || stage_transcribe 14
  for kind in $ivectors; do stage_ivectors $((n += 1)) "$kind"; done
  [ "${spectrograms:-false}" != true ] || stage_features 19 fbank_lssed
  [ -z "$noise" ] || ensemble_noisy_copy "20 21 22" random "$protocol/train" "${data}_noisy" "${more_features[@]}"
}

ensemble_more() {
  stage_train 23 svm_compare linear_svm compare "${augment[@]}"
  [ "${spectrograms:-false}" = true ] || return 0
  stage_train 24 pyresnet pyresnet fbank_lssed "${augment[@]}"
  extended+=" pyresnet"
}

ensemble_baselines() {
  stage_train 30 forest_is10 random_forest is10
  stage_train 31 svm_is10    linear_svm    is10 "${augment[@]}"
  stage_train 32 dnn_compare dnn           compare
  stage_train 33 dnn_is10    dnn           is10
}

ensemble_subsystems() {
  local n=37 kind
  stage_train 34 multitask_is10 multitask_dnn is10 "${augment[@]}"
  [ -z "$ivectors" ] || stage_train 35 multitask_ivector multitask_ivector "ivector_$own_kind" "${augment[@]}"
  stage_train 36 attention_lld attention_rnn is10_lld "${augment[@]}"
  [ "$asr" = none ] || stage_train 37 text text_svm "${texts:-text:asr text:reference}" --seeds 0 "${augment[@]}"
  for kind in $ivectors; do stage_train $((n += 1)) "svm_ivector_$kind" linear_svm "ivector_$kind"; done
}

# What C owes to its pooling, its other tasks and its cell, and what stacked frames cost it; A has dnn_is10 beside it, D
# reference text.
ensemble_comparisons() {
  local name=attention_rnn:model frames=attention_rnn:frames
  [ "$comparisons" = true ] || return 0
  stage_train 25 attention_lld_mean attention_rnn is10_lld --set "$tiny$set $name.pooling=mean"
  stage_train 26 attention_lld_last attention_rnn is10_lld --set "$tiny$set $name.pooling=last"
  stage_train 27 attention_lld_single attention_rnn is10_lld --set "$tiny$set '$name.tasks={emotion: 1.0}'"
  stage_train 28 attention_lld_advanced attention_rnn is10_lld --set "$tiny$set $name.cell=advanced"
  stage_train 29 attention_lld_frames attention_rnn is10_lld --set "$tiny$set $frames.stack=1 $frames.stride=1"
}

ensemble_fusion() { stage_fuse 42 "${fused[@]}"; }

ensemble_robustness() {
  local n=0 ratio
  for ratio in $noise; do
    ensemble_noisy_copy "43.$((n + 1)) 43.$((n + 2)) 43.$((n + 3))" "$ratio" "$protocol/test" "${data}_snr$ratio" \
      "${more_features[@]}"
    n=$((n + 3))
  done
  # shellcheck disable=SC2086  # one name a word
  [ -z "$noise" ] || stage_robustness 59 "is10 is10_lld ${more_features[*]}" "${fused[@]}" $extended \
    fusion_equal fusion_simplex fusion_logistic
}

# ensemble_noisy_copy "N N N" SNR PART TO [FEATURES ...]: noise behind the utterances of a part, and all features that A
# to D read, and more: three stages.
ensemble_noisy_copy() {
  local numbers features=(is10 is10_lld "${@:5}")
  read -ra numbers <<<"$1"
  [ "$asr" = none ] || features+=(fbank)
  stage_noisy_set "${numbers[0]}" "$2" "$3" "$4" "${features[@]}"
  [ "$asr" = none ] || stage_transcribe "${numbers[1]}" "$4"
  [ -z "$own_kind" ] || stage_ivectors "${numbers[2]}" "$own_kind" "$4"
}

ensemble_results() {
  stage_permuted 60 is10
  stage_audit    61
  stage_score    62
  stage_report   63
  # shellcheck disable=SC2086  # one name a word
  stage_export   64 "${fused[@]}" $extended
}
