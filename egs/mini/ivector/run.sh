#!/usr/bin/env bash
# The i-vector extractor of the mini ensemble: component occupancies are the tokens of ../asr's recognizer, on the speech
# that it was trained on. Seconds on a CPU.
set -euo pipefail
cd "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")"
. ../../../utils/recipe.sh

option asr        ""              "recipe with the recognizer and its synthetic speech (default: ../asr, of the same size)"
option protocol   official        "official: speakers apart" --choices "official"
option set        ""              "key=value ... over conf/ivector_extractor.yaml"
option size       full            "full (1512 utterances), or tiny (48)" --choices "full tiny"
option nj         2               "parallel tasks" --int --free
option cluster    local           "local, slurm, sge, or a YAML file" --free
parse_options "$@"

recipe_begin mini_asr
if [ -z "$asr" ]; then asr=../asr; [ "$size" = full ] || asr=../asr/$size; fi
corpus_dir=$asr/data/synthetic extractors=$exp/ivector
asr=$asr/exp/recognizer
recipe_stages asr

stage_prepare   1 --size full
stage_validate  2
stage_features  3 fbank
stage_features  4 speaker_mfcc
stage_extractor 5 tokens
stage_ivectors  6 tokens
stage_verify    7
run_stages
