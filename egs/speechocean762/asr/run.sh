#!/usr/bin/env bash
# speechocean762: a small CTC recognizer of English read by Mandarin speakers, half of them children; its language
# model, decoding graph and phone states. Word error rates of every step. exp/recognizer is what other recipes take.
set -euo pipefail
cd "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")"
. ../../../utils/recipe.sh

option corpus-dir ""              "directory of the corpus (train/, test/, WAVE/, lexicon.txt)"
option allow-partial false        "go on when recordings of the published corpus are missing" --choices "true false"
option protocol   official        "official: the published lists; dev is a tenth of the training speakers" --choices "official"
option config     asr_small       "asr_small (a CPU), asr_base (a GPU)"
option set        ""              "key=value ... over the recognizer's configuration"
option lm-order   3               "of the n-grams" --int
option size       full            "full, or tiny (about 60 utterances)" --choices "full tiny"
option processes  1               "processes that train together: one a GPU, or one a core of a CPU" --int
option threads    1               "threads of each process of the training" --int
option nj         2               "parallel tasks" --int --free
option cluster    local           "local, slurm, sge, or a YAML file" --free
parse_options "$@"

recipe_begin speechocean762
lexicon=$corpus_dir/lexicon.txt
recipe_stages asr
# A third of the epochs, with a schedule of their own: without augmentation the network soon overfits.
none="training.epochs=10 augmentation.speeds=[1.0] augmentation.noise_probability=0 augmentation.frequency_masks=0 augmentation.time_masks=0"

stage_prepare         1
stage_validate        2
stage_features        3 fbank
stage_features        4 fbank_slow
stage_features        5 fbank_fast
# shellcheck disable=SC2034  # stage_recognizer reads it
speeds=(--in "$data/fbank_slow" --in "$data/fbank_fast")
stage_phone_states    6 flat_start "$lexicon" rounds=0
stage_recognizer      7 plain      --alignment "$exp/flat_start/alignment.npz" --processes "$processes" --set "$none $set"
stage_recognizer      8 augmented  --alignment "$exp/flat_start/alignment.npz" --processes "$processes"
stage_language_model  9 --order "$lm_order"
stage_graph          10 augmented  --more-words "$lexicon"
n=10
for part in dev test; do
  stage_decode $((n += 1)) greedy_plain     plain/single     greedy "$part"
  stage_decode $((n += 1)) greedy_augmented augmented/single greedy "$part"
  stage_decode $((n += 1)) greedy_averaged  augmented        greedy "$part"
  stage_decode $((n += 1)) graph            augmented        graph  "$part"
done
stage_transcripts    19 --part dev --part test --by-sentence --calibrate
stage_phone_states   20 phone_states "$lexicon" "" augmented
stage_bundle_asr       21 augmented phone_states
run_stages
