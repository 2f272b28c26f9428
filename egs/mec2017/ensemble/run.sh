#!/usr/bin/env bash
# MEC 2017: the ensemble on the official split; test labels may be absent.
set -euo pipefail
cd "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")"
. ../../../utils/recipe.sh
. ../../../steps/options_ensemble.sh

option corpus-dir ""              "directory with train/ validation/ test/ and their tables; README.md"
option table      ""              "instead: one TSV of path, emotion, part ... (README.md)"
option corpora-dir ""             "speech to train ../../mandarin4k/asr on, where asr is own"
option protocol   official        "official" --choices "official"
option asr-onnx   ""              "CTC model (model.onnx, tokens.txt) in its place; of the i-vectors gmm only"
option submit     ""              "SUBSYSTEM/VARIANT whose decisions on test are written (default: the primary fusion)"
ensemble_options "global" mandarin4k own
parse_options "$@"

recipe_begin mec2017${table:+_table}
# shellcheck disable=SC2034  # the stages read it
texts=text:asr own_asr=$asr own_extractors=$extractors
if [ -n "$asr_onnx" ]; then asr=$asr_onnx own_asr=onnx; fi
[ "$asr" != own ] || asr=../../mandarin4k/asr/$work/exp/recognizer
# Whoever brings a recognizer brings its extractors, too, or goes without i-vectors.
if [ "$own_asr$extractors" != ownown ] && [ "$extractors" = own ]; then ivectors=""; fi
[ "$extractors" != own ] || extractors=../../mandarin4k/ivector/$work/exp/ivector
recipe_stages asr ensemble
more=(--size "$size" --nj "$nj" --cluster "$cluster")

stage_prepare 1
stage_validate 2
if [ "$own_asr" = own ]; then
  stage 3 "Train the recognizer" --in "$data/cuts.jsonl.gz" --out "$asr" -- \
    ../../mandarin4k/asr/run.sh --corpora-dir "$corpora_dir" --protect "$PWD/$data" "${more[@]}"
  if [ "$own_extractors" = own ] && [ -n "$ivectors" ]; then
    stage 4 "Train the i-vector extractors" --in "$asr" --out "$extractors" -- \
      ../../mandarin4k/ivector/run.sh --occupancies "$ivectors" "${more[@]}"
  fi
fi
ensemble_features     # 10 to 22
ensemble_more         # 23 to 24
ensemble_comparisons  # 25 to 29
ensemble_baselines    # 30 to 33
ensemble_subsystems   # 34 to 41
ensemble_fusion       # 42
ensemble_robustness   # 43.1 to 59
ensemble_results      # 60 to 64
stage 65 "Write the submission" --in "$exp/scored/$protocol.json" --out "$exp/submission.tsv" -- \
  steps/write_submission.sh --protocol "$protocol" --system "$submit" --strip test- "$data" "$exp" "$exp/submission.tsv"
run_stages
