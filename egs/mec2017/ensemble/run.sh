#!/usr/bin/env bash
# MEC 2017: the ensemble on the official split; test labels may be absent.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
. ../../../utils/recipe.sh

option corpus-dir ""              "directory with train/ validation/ test/ and their tables; README.md"
option table      ""              "instead: one TSV of path, emotion, part ... (README.md)"
option corpora-dir ""             "speech to train ../../mandarin4k/asr on, where asr is own"
option protocol   official        "official" --choices "official"
option norms      "global"        "feature normalisations, one experiment each: global, speaker, none"
option seeds      "0"             "seeds of each network"
option set        ""              "key=value ... over every model configuration"
option ivectors   tokens          "kinds of i-vectors (tokens gmm); the first is the DNN's"
option asr        own             "recogniser: own (trains ../../mandarin4k/asr), a directory, or none: no i-vectors, no text"
option asr-onnx   ""              "CTC model (model.onnx, tokens.txt) in its place; of the i-vectors gmm only"
option extractors own             "i-vector extractors, one directory a kind: own (trains ../../mandarin4k/ivector), or a directory"
option submit     ""              "SUBSYSTEM/VARIANT whose decisions on test are written (default: the primary fusion)"
option noise      ""              "robustness: ratios in dB, such as \"20 10 5 0\"; empty: left out"
option musan      ""              "MUSAN, for its noise, music and speech; empty: our own sounds"
option size       full            "full, or tiny: about 60 utterances" --choices "full tiny"
option nj         2               "parallel tasks" --int --free
option cluster    local           "local, slurm, sge, or a YAML file" --free
parse_options "$@"

corpus=mec2017${table:+_table} work=. results=RESULTS text_sources=asr own_asr=$asr own_extractors=$extractors
[ "$size" = full ] || { work=$size; results=$size/RESULTS; }
data=$work/data/$corpus exp=$work/exp stage_dir=$work
if [ -n "$asr_onnx" ]; then asr=$asr_onnx own_asr=onnx; fi
[ "$asr" != own ] || asr=../../mandarin4k/asr/$work/exp/recogniser
# Whoever brings a recogniser brings its extractors, too, or goes without i-vectors.
if [ "$own_asr$extractors" != ownown ] && [ "$extractors" = own ]; then ivectors=""; fi
[ "$extractors" != own ] || extractors=../../mandarin4k/ivector/$work/exp/ivector

. "$ROOT/path.sh"
. ./cmd.sh
. "$ROOT/steps/stages.sh"
. "$ROOT/steps/stages_asr.sh"
. "$ROOT/steps/stages_ensemble.sh"
more=(--size "$size" --nj "$nj" --cluster "$cluster")
stage_prepare 1
stage_validate 2
if [ "$own_asr" = own ]; then
  stage 3 "Train the recogniser" --in "$data/cuts.jsonl.gz" --out "$asr" -- \
    ../../mandarin4k/asr/run.sh --corpora-dir "$corpora_dir" --protect "$PWD/$data" "${more[@]}"
  if [ "$own_extractors" = own ] && [ -n "$ivectors" ]; then
    stage 4 "Train the i-vector extractors" --in "$asr" --out "$extractors" -- \
      ../../mandarin4k/ivector/run.sh --occupancies "$ivectors" "${more[@]}"
  fi
fi
ensemble_features     # 10 to 22
ensemble_more         # 23
ensemble_baselines    # 30 to 33
ensemble_subsystems   # 34 to 41
ensemble_fusion       # 42
ensemble_robustness   # 43 to 59
ensemble_results      # 60 to 64
stage 65 "Write the submission" --in "$exp/scored/$protocol.json" --out "$exp/submission.tsv" -- \
  steps/write_submission.sh --protocol "$protocol" --system "$submit" --strip test- "$data" "$exp" "$exp/submission.tsv"
run_stages
