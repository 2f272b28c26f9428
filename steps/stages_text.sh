#!/usr/bin/env bash
# The stages of the subsystem that reads what is said; see steps/stages.sh, whose settings they read.
# shellcheck disable=SC2154,SC2034  # the settings are the recipe's

# stage_text N SUBSYSTEM "SOURCE ..." [DATA [option ...]]: one experiment a source (asr, nbest, reference) and fold.
# DATA is the data set that has the text (default: $data; what a recogniser heard is in ${data}_transcribed).
stage_text() {
  local number=$1 subsystem=$2 sources=$3 from=${4:-$data}; shift 3; [ $# -eq 0 ] || shift
  stage "$number" "Train $subsystem" --in "$from/cuts.jsonl.gz" --in "$from/splits/$protocol.tsv" \
    --out "$exp/$subsystem/$protocol" -- \
    steps/train_subsystem.sh --config text_svm --features text --sources "$sources" --protocol "$protocol" \
    --set "$tiny_text$set" --nj "$nj" --cmd "$train_cmd" "$@" "$from" "$exp/$subsystem/$protocol"
  trained+=("$exp/$subsystem/$protocol")
}

# stage_text_permuted N "SOURCE": the same on permuted labels, which must fall to chance (the audit checks it).
stage_text_permuted() {
  stage "$1" "Train on permuted labels" --in "$data/cuts.jsonl.gz" --in "$data/splits/$protocol.tsv" \
    --out "$exp/permuted/$protocol" -- \
    steps/train_subsystem.sh --config text_svm --features text --sources "$2" --protocol "$protocol" \
    --set "$tiny_text$set" --permute-labels --nj "$nj" --cmd "$train_cmd" "$data" "$exp/permuted/$protocol"
}

tiny_text=""
if [ "$size" = tiny ]; then tiny_text="text_svm:penalties=[1.0] text_svm:min_documents=1 "; fi
