#!/usr/bin/env bash
# speechocean762: i-vector extractors with four kinds of component occupancies, and how well their vectors tell the test
# speakers apart. Needs the recognizer of ../asr.
set -euo pipefail
cd "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")"
. ../../../utils/recipe.sh

option corpus-dir ""              "directory of the corpus (train/, test/, WAVE/, lexicon.txt)"
option allow-partial false        "go on when recordings of the published corpus are missing" --choices "true false"
option asr        ""              "recognizer (default: ../asr/exp/recognizer, of the same size)"
option protocol   official        "official: the published lists; dev is a tenth of the training speakers" --choices "official"
option set        ""              "key=value ... over conf/ivector_extractor.yaml"
option size       full            "full, or tiny (about 60 utterances)" --choices "full tiny"
option nj         2               "parallel tasks" --int --free
option cluster    local           "local, slurm, sge, or a YAML file" --free
parse_options "$@"

recipe_begin speechocean762
extractors=$work/exp/ivector
if [ -z "$asr" ]; then asr=../asr/exp/recognizer; [ "$size" = full ] || asr=../asr/$size/exp/recognizer; fi
recipe_stages asr

stage_prepare    1
stage_validate   2
stage_features   3 fbank
stage_features   4 speaker_mfcc
stage_extractor  5 gmm
stage_extractor  6 tokens
stage_extractor  7 clusters
stage_extractor  8 phone_states
stage_ivectors   9 gmm
stage_ivectors  10 tokens
stage_ivectors  11 clusters
stage_ivectors  12 phone_states
stage_verify    13
run_stages
