#!/usr/bin/env bash
# The stages of a corpus that is read as text, without a recognizer; they read the settings of steps/stages.sh.
# For recognized text see stage_text there.
# shellcheck disable=SC2154,SC2034  # the settings are the recipe's

# stage_reference_text N SUBSYSTEM [option ...]: the text subsystem on the reference text of $data.
stage_reference_text() {
  local number=$1 subsystem=$2; shift 2
  _reference_text "$number" "$subsystem" "Train $subsystem on reference text" --name "$subsystem" -- "$@"
  trained+=("$exp/$subsystem/$protocol")
}

# stage_reference_permuted N: the same on permuted labels, which must fall to chance (the audit checks it).
stage_reference_permuted() {
  _reference_text "$1" permuted "Train on permuted labels" -- --permute-labels
}

# _reference_text N SUBSYSTEM "title" [--name NAME] -- [option ...]
_reference_text() {
  local number=$1 subsystem=$2 title=$3 name=(); shift 3
  if [ "$1" = --name ]; then name=(--name "$2"); shift 2; fi
  shift
  stage "$number" "$title" ${name[@]+"${name[@]}"} --in "$data/cuts.jsonl.gz" --in "$data/splits/$protocol.tsv" \
    --out "$exp/$subsystem/$protocol" -- \
    steps/train_subsystem.sh --config text_svm --inputs text --sources reference --protocol "$protocol" \
    --set "$tiny$set" --nj "$nj" "${shares[@]}" --cmd "$train_cmd" "$@" "$data" "$exp/$subsystem/$protocol"
}
