#!/usr/bin/env bash
# The recognizer of the synthetic corpus "mini": Mandarin and English, 20 voices to train and others to test. In minutes
# on a CPU; the mini ensemble takes its transcripts, posteriors and i-vectors from exp/recognizer.
set -euo pipefail
cd "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")"
. ../../../utils/recipe.sh

option protocol   official        "official: speakers apart" --choices "official"
option config     asr_small       "the recognizer's configuration"
option set        ""              "key=value ... over the recognizer's configuration"
option lm-order   3               "of the n-grams" --int
option size       full            "full (1512 utterances), or tiny (48)" --choices "full tiny"
option synthesis-seed 0           "seed of the synthetic recordings" --int
option processes  2               "processes that train together" --int
option threads    1               "threads of each process of the training" --int
option nj         2               "parallel tasks" --int --free
option cluster    local           "local, slurm, sge, or a YAML file" --free
parse_options "$@"

recipe_begin mini_asr
corpus_dir=$work/data/synthetic
recipe_stages asr

stage_synthesize      1 mini --set asr
stage_prepare         2 --size full
stage_validate        3
stage_features        4 fbank
stage_phone_states    5 flat_start graphemes "rounds=0 gaussian_rounds=3"
stage_recognizer      6 asr --alignment "$exp/flat_start/alignment.npz" --processes "$processes"
stage_language_model  7 --order "$lm_order"
stage_graph           8 asr
stage_decode          9 greedy asr greedy dev
stage_decode         10 greedy asr greedy test
stage_decode         11 graph  asr graph  dev
stage_decode         12 graph  asr graph  test
stage_transcripts    13 --part dev --part test --calibrate
stage_bundle_asr       14 asr
run_stages
