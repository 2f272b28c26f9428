#!/usr/bin/env bash
# Mandarin i-vector extractors for the emotion corpora: on the dev parts of ../asr's corpora, as far as their speakers are
# known. Needs ../asr.
set -euo pipefail
cd "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")"
. ../../../utils/recipe.sh

option corpus-dir ""              "speech that ../asr prepared (default: ../asr/data/prepared, of the same size)"
option asr        ""              "recognizer (default: ../asr/exp/recognizer, of the same size)"
option occupancies "tokens gmm"   "component occupancies: tokens, clusters (of the recognizer), gmm"
option set        ""              "key=value ... over conf/ivector_extractor.yaml"
option size       full            "full, or tiny" --choices "full tiny"
option nj         8               "parallel tasks" --int --free
option cluster    local           "local, slurm, sge, or a YAML file" --free
parse_options "$@"

recipe_begin mandarin4k
protocol=speakers
[ -n "$corpus_dir" ] || corpus_dir=../asr/$work/data/prepared
[ -n "$asr" ] || asr=../asr/$work/exp/recognizer
recipe_stages asr

stage 1 "Prepare the manifest and the splits" --in "$corpus_dir" --out "$data/cuts.jsonl.gz" --out "$data/splits" -- \
  steps/prepare_data.sh --corpus "$corpus" --corpus-dir "$corpus_dir" "$data"
n=1
for kind in $occupancies; do
  words=() inputs=()
  if [ "$kind" != gmm ]; then inputs=(--in "$asr") words=(--asr "$asr"); fi
  stage $((n += 1)) "Train the i-vector extractor: $kind" --in "$data/cuts.jsonl.gz" --in "$data/splits/$protocol.tsv" \
    "${inputs[@]}" --out "$exp/ivector/$kind" -- \
    steps/train_ivector_extractor.sh --occupancy "$kind" "${words[@]}" --split "$protocol/train" \
    --set "$tiny$set" --nj "$nj" --cmd "$train_cmd" "$data" "$exp/ivector/$kind"
done
run_stages
