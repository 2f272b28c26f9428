#!/usr/bin/env bash
# The stages of the MEC 2017 ensemble (Tao, Liu & Zhao, ICASSP 2018), in groups and with the same numbers in every recipe:
#
#      1 to  9   the recipe's own        manifest, splits; a recogniser
#     10 to 18   ensemble_features       is10, compare, is10_lld; fbank, transcripts, i-vectors where there is a recogniser
#     20 to 23   ensemble_baselines      random forest, linear SVM, single-task DNNs
#     24 to 31   ensemble_subsystems     A multitask DNN, B the same on i-vectors, C attention RNN, D text; i-vectors' SVMs
#     32         ensemble_fusion         linear sums of A to D; dev declares the primary one
#     33 to 48   ensemble_robustness     noise at the ratios of --noise
#     50 to 54   ensemble_results        permuted labels, audit, scores, report, the model to use
#
# A recipe sources this file after steps/stages.sh and steps/stages_asr.sh. Another subsystem is one more stage_train line
# in the recipe, and its name in $fused. Settings, besides those of steps/stages.sh: asr (a recogniser, or none),
# extractors, ivectors (kinds; the first is B's), noise (dB), text_sources (default: asr reference).
# shellcheck disable=SC2154  # the settings above are the recipe's
[ "$asr" != none ] || ivectors=""
fused=(multitask_is10 multitask_ivector attention_lld text)

ensemble_features() {
  local n=14 kind
  stage_features 10 is10
  stage_features 11 compare
  stage_features 12 is10_lld
  [ "$asr" = none ] || stage_features 13 fbank
  [ "$asr" = none ] || stage_transcribe 14
  for kind in $ivectors; do stage_ivectors $((n += 1)) "$kind"; done
}

ensemble_baselines() {
  stage_train 20 forest_is10 random_forest is10
  stage_train 21 svm_is10    linear_svm    is10
  stage_train 22 dnn_compare dnn           compare
  stage_train 23 dnn_is10    dnn           is10
}

ensemble_subsystems() {
  local n=27 kind
  stage_train 24 multitask_is10 multitask_dnn is10
  [ -z "$ivectors" ] || stage_train 25 multitask_ivector multitask_ivector "ivector_${ivectors%% *}"
  stage_train 26 attention_lld attention_rnn is10_lld
  [ "$asr" = none ] || stage_text 27 text "${text_sources:-asr reference}"
  for kind in $ivectors; do stage_train $((n += 1)) "svm_ivector_$kind" linear_svm "ivector_$kind"; done
}

ensemble_fusion() { stage_fuse 32 "${fused[@]}"; }

ensemble_results() {
  stage_permuted 50 is10
  stage_audit    51
  stage_score    52
  stage_report   53
}
