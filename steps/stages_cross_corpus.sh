#!/usr/bin/env bash
# The stages of cross-corpus tests, one function each. A recipe sources this file after steps/stages.sh. Settings, besides
# those of steps/stages.sh: corpora ("[NAME=]DATA ..."), map (YAML of common classes), protocols ("CORPUS=PROTOCOL ..."),
# own_folds (first or all).
# shellcheck disable=SC2154,SC2034  # the settings above are the recipe's

# stage_mini N SEED NAME: two stages that make a synthetic corpus of this seed, prepared as NAME=$work/data/NAME, and put
# it into $corpora.
stage_mini() {
  local number=$1 synthesis_seed=$2 name=$3
  local corpus=mini corpus_dir=$work/data/synthetic_$name data=$work/data/$name
  stage_synthesize "$number"
  stage_prepare $((number + 1))
  corpora+="${corpora:+ }$name=$data"
}

# stage_pool N: the data sets $corpora -> $data, in common classes; protocol cross.
stage_pool() {
  local inputs=() sets word
  read -ra sets <<<"$corpora"
  [ "${#sets[@]}" -gt 1 ] || _o_fail "--corpora is '$corpora'; accepted: two prepared data sets or more, [NAME=]DIR ..."
  for word in ${sets[@]+"${sets[@]}"}; do
    inputs+=(--in "${word#*=}/cuts.jsonl.gz" --in "${word#*=}/corpus.json" --in "${word#*=}/splits")
  done
  stage "$1" "Pool the corpora" --in "$map" "${inputs[@]}" \
    --out "$data/cuts.jsonl.gz" --out "$data/corpus.json" --out "$data/splits" -- \
    steps/pool_corpora.sh --map "$map" --protocols "$protocols" --folds "$own_folds" "$data" "${sets[@]}"
}

# stage_score_cross N: every trained subsystem, a row a pair of corpora -> $exp/RESULTS.{json,md}.
stage_score_cross() {
  local inputs=()
  every_member
  stage "$1" "Score across corpora" "${inputs[@]}" --in "$exp/audit/$protocol.json" \
    --out "$exp/scored/$protocol.json" --update "$results.json" -- \
    steps/score_cross_corpus.sh --leave-out "{left-out}" --protocol "$protocol" --results "$results" "${committed[@]}" "$data" "$exp"
}
